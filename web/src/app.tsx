import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ComponentType, lazy, Suspense, useEffect } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { call } from "./api/client.ts";
import { keepLive } from "./api/live.ts";
import { useWords } from "./i18n/language.ts";
import { Me } from "./me.ts";
import { useObservable } from "./observable.ts";
import { session } from "./session.ts";
import { Shell } from "./shell.tsx";
import { SignIn } from "./sign-in.tsx";
import { TasksView } from "./tasks/tasks-view.tsx";
import { Boundary } from "./ui/boundary.tsx";
import { Empty, ErrorFace, Loading } from "./ui/faces.tsx";

/** What is not seen first is not loaded first. */
const view = <Name extends string>(load: () => Promise<{ readonly [name in Name]: ComponentType }>, name: Name) =>
  lazy(async () => ({ default: (await load())[name] }));
const TaskView = view(() => import("./task/task-view.tsx"), "TaskView");
const NewView = view(() => import("./new/new-view.tsx"), "NewView");
const PoolView = view(() => import("./pool/pool-view.tsx"), "PoolView");
const AdminView = view(() => import("./admin/admin-view.tsx"), "AdminView");

export function App() {
  const { token } = useObservable(session.state);
  const queries = useQueryClient();
  useEffect(() => {
    if (token === null) return undefined;
    const stop = keepLive(queries);
    return () => {
      stop();
      // What one person saw, the next one must not find.
      queries.clear();
    };
  }, [token, queries]);
  return token === null ? <SignIn /> : <SignedIn key={token} />;
}

function SignedIn() {
  const [path] = useLocation();
  const me = useQuery({ queryKey: ["me"], queryFn: ({ signal }) => call("me", "GET", "/api/v2/me", { signal }), staleTime: Infinity });
  if (me.data === undefined)
    return <main className="lone">{me.isError ? <ErrorFace error={me.error} again={() => void me.refetch()} /> : <Loading />}</main>;
  return (
    <Me value={me.data}>
      <Shell>
        <Boundary key={path.split("/").slice(0, 3).join("/")}>
          <Suspense fallback={<Loading />}>
            <Switch>
              <Route path="/" component={TasksView} />
              <Route path="/tasks" component={TasksView} />
              <Route path="/tasks/:id/:tab?" component={TaskView} />
              <Route path="/new" component={NewView} />
              <Route path="/pool" component={PoolView} />
              <Route path="/admin/:part?/:user?" component={AdminView} />
              <Route component={Nowhere} />
            </Switch>
          </Suspense>
        </Boundary>
      </Shell>
    </Me>
  );
}

function Nowhere() {
  const t = useWords();
  const [path] = useLocation();
  return (
    <Empty isView title={t("nowhere.title", { path })}>
      <Link href="/tasks">{t("nav.tasks")}</Link>
    </Empty>
  );
}
