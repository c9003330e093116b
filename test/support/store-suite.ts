/** What every database must do for the store, in the words of its port. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Idempotency, InsertTaskOutcome, NewTask, Store, TaskFilter } from "../../src/control/ports.ts";
import { TASK_STATES } from "../../src/domain/task-state.ts";
import type { Task, Token } from "../../src/domain/types.ts";
import { type FreshDatabase, openTestStore, type TestDatabase } from "./databases.ts";
import { CREATED, moved, moveTo, newAttempt, newTask, newUser, NOW } from "./task-samples.ts";

const ALL: TaskFilter = { userId: null, states: null, workload: null, labels: {} };
const DAY = 24 * 3600 * 1000;
const AUDIT = { at: NOW, actor: "admin", action: "test", target: "x", data: {} };

export function storeSuite(database: TestDatabase): void {
  describe(`store on ${database.name}`, () => {
    let fresh: FreshDatabase;
    let store: Store;

    beforeEach(async () => {
      fresh = await database.fresh();
      store = await openTestStore(fresh);
    });

    afterEach(async () => {
      await store.close();
      await fresh.drop();
    });

    const insert = async (task: NewTask, idempotency: Idempotency | null = null, maxQueued: number | null = null) =>
      await store.tasks.insertTask(task, CREATED, idempotency, maxQueued, (made) => `answer of ${made.taskId}`);

    const created = async (taskId: string, overrides: Partial<NewTask> = {}): Promise<Task> =>
      taskOfOutcome(await insert(newTask(taskId, overrides)));

    const applied = async (change: Parameters<Store["tasks"]["change"]>[0]): Promise<Task> => {
      const outcome = await store.tasks.change(change);
      if (outcome.kind !== "applied") throw new Error(`the change of ${change.taskId} was ${outcome.kind}`);
      return outcome.task;
    };

    const started = async (taskId: string): Promise<Task> => {
      const task = await created(taskId);
      return await applied(moveTo(task, "SUBMITTING", { newAttempt: newAttempt(task, 1) }));
    };

    describe("a new task", () => {
      it("comes back as it was given, with its first event and its place in the queue", async () => {
        const given = newTask("t1", { labels: { team: "rl" }, name: "first", deadline: NOW + 5, maxRuntimeMs: 7, priority: -3 });
        const task = taskOfOutcome(await insert(given));
        expect(task).toMatchObject({ ...given, state: "QUEUED", version: 1, attempts: 0, held: false, nextRunAt: null, waiting: null });
        expect(await store.tasks.get("t1")).toEqual(task);
        expect(await store.tasks.events("t1", 0, 10)).toEqual({
          rows: [{ ...CREATED, taskId: "t1", seq: 1, at: NOW, from: null, to: "QUEUED" }],
          hasMore: false,
        });
        expect((await created("t2")).seq).toBeGreaterThan(task.seq);
      });

      it("is refused whole when its id was used before", async () => {
        await created("t1");
        await expect(insert(newTask("t1", { userId: "bob" }))).rejects.toThrow(/unique/i);
        expect((await store.tasks.get("t1"))?.userId).toBe("alice");
        expect((await store.tasks.countByState()).QUEUED).toBe(1);
        expect((await store.tasks.events("t1", 0, 10)).rows).toHaveLength(1);
      });

      it("keeps emoji, quotes, percent signs and 16 KiB of specification", async () => {
        const specText = `# "it's" 100% \\ \u{1f642} \u{10ffff} é\r\n\t${"训".repeat(5000)}`.padEnd(16_384, "x");
        const labels = { 'quo"te': "a'b", "per%": "_", "\u{1f642}": "\u{1f643}", "": "" };
        const task = await created("t1", { specText, labels, name: "'; drop table tasks; --" });
        expect(await store.tasks.get("t1")).toEqual({ ...task, specText, labels, name: "'; drop table tasks; --" });
        for (const [key, value] of Object.entries(labels)) {
          expect((await store.tasks.list({ ...ALL, labels: { [key]: value } }, null, 5)).rows).toHaveLength(1);
        }
        expect((await store.tasks.list({ ...ALL, labels: { "per%": "x" } }, null, 5)).rows).toEqual([]);
      });

      it.each(["a\0b", "a\ud800b"])("is refused when a text holds what a database cannot keep: %j", async (text) => {
        await expect(insert(newTask("t1", { specText: text }))).rejects.toThrow(/NUL/);
        await expect(insert(newTask("t1", { labels: { k: text } }))).rejects.toThrow(/NUL/);
        await expect(insert(newTask("t1", { labels: { [text]: "v" } }))).rejects.toThrow(/NUL/);
        await expect(insert(newTask(text))).rejects.toThrow(/NUL/);
        expect(await store.tasks.get(text)).toBeNull();
        expect(await store.tasks.find(text, null)).toEqual([]);
        expect(await store.tasks.attempts(text)).toEqual([]);
        expect((await store.tasks.list({ ...ALL, userId: text }, null, 5)).rows).toEqual([]);
        expect(await store.users.getUser(text)).toBeNull();
      });

      it("keeps NUL inside the data of an event, which is JSON", async () => {
        const task = await created("t1");
        await applied({ taskId: "t1", version: task.version, epoch: null, at: NOW, events: [{ ...moved("x"), data: { text: "a\0b" } }] });
        expect((await store.tasks.events("t1", 1, 1)).rows[0]?.data).toEqual({ text: "a\0b" });
      });
    });

    describe("an idempotency key", () => {
      const key = { key: "k1", bodyHash: "h1" };

      it("gives the first answer again and makes no second task", async () => {
        await insert(newTask("t1"), key);
        expect(await insert(newTask("t2"), key)).toEqual({ kind: "replayed", answer: "answer of t1" });
        expect(await store.tasks.get("t2")).toBeNull();
      });

      it("is refused for another body, and is another user's own", async () => {
        await insert(newTask("t1"), key);
        expect(await insert(newTask("t2"), { key: "k1", bodyHash: "h2" })).toEqual({ kind: "key_reused" });
        expect((await insert(newTask("t3", { userId: "bob" }), key)).kind).toBe("created");
      });

      it("admits one of many that arrive together", async () => {
        const outcomes = await Promise.all([1, 2, 3, 4, 5].map(async (n) => await insert(newTask(`t${n}`), key)));
        expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["created", "replayed", "replayed", "replayed", "replayed"]);
        expect(await store.tasks.listOpen()).toHaveLength(1);
      });

      it("is forgotten after seven days, and not before", async () => {
        await insert(newTask("t1"), key);
        expect((await insert(newTask("t2", { createdAt: NOW + 7 * DAY - 1 }), key)).kind).toBe("replayed");
        expect((await insert(newTask("t3", { createdAt: NOW + 7 * DAY }), key)).kind).toBe("created");
      });

      it("is not used up by a task that the user's limit refused", async () => {
        await insert(newTask("t1"), null);
        expect((await insert(newTask("t2"), key, 1)).kind).toBe("user_limit");
        expect((await insert(newTask("t2"), key, 2)).kind).toBe("created");
      });
    });

    it("counts the waiting tasks of the user only, also those of the same transaction", async () => {
      await created("other", { userId: "bob" });
      await started("live");
      const outcomes = await Promise.all([1, 2, 3, 4].map(async (n) => await insert(newTask(`t${n}`), null, 3)));
      expect(outcomes.map((outcome) => outcome.kind)).toEqual(["created", "created", "created", "user_limit"]);
      expect(outcomes[3]).toEqual({ kind: "user_limit", limit: 3, count: 3 });
      expect(await insert(newTask("t9"), null, 0)).toEqual({ kind: "user_limit", limit: 0, count: 3 });
    });

    describe("a change", () => {
      it("writes state, patch, events and attempt together and raises the version", async () => {
        const task = await started("t1");
        expect(task).toMatchObject({ state: "SUBMITTING", version: 2, attempts: 1 });
        const failure = { label: "oom", blame: "user", retryable: false, text: "out of memory", fix: "smaller batch" } as const;
        const ended = await applied(
          moveTo(task, "FAILED", {
            at: NOW + 5,
            patch: { failure, endedAt: NOW + 5 },
            events: [{ ...moved("oom"), attempt: 1, type: "attempt_ended" }, moved("oom")],
            attempt: { attempt: 1, patch: { state: "FAILED", failure, exitCode: 137, signal: null, node: "n1", endedAt: NOW + 5 } },
          }),
        );
        expect(ended).toMatchObject({ state: "FAILED", version: 3, failure, endedAt: NOW + 5 });
        expect(await store.tasks.get("t1")).toEqual(ended);
        expect(await store.tasks.attempts("t1")).toMatchObject([
          { attempt: 1, submissionId: "t1--a01", state: "FAILED", failure, exitCode: 137, node: "n1", quarantined: false, userId: "alice" },
        ]);
        const { rows } = await store.tasks.events("t1", 0, 10);
        expect(rows.map(({ seq, from, to, type }) => [seq, from, to, type])).toEqual([
          [1, null, "QUEUED", "created"],
          [2, "QUEUED", "SUBMITTING", "state_changed"],
          [3, "SUBMITTING", "FAILED", "attempt_ended"],
          [4, null, null, "state_changed"],
        ]);
      });

      it("of two made on the same version, one is applied and the other finds itself stale", async () => {
        const task = await created("t1");
        const outcomes = await Promise.all([
          store.tasks.change(moveTo(task, "SUBMITTING", { newAttempt: newAttempt(task, 1) })),
          store.tasks.change(moveTo(task, "CANCELED")),
        ]);
        expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(["applied", "stale"]);
        expect((await store.tasks.events("t1", 0, 10)).rows).toHaveLength(2);
        const now = await store.tasks.get("t1");
        expect(await store.tasks.attempts("t1")).toHaveLength(now?.state === "SUBMITTING" ? 1 : 0);
      });

      it("of a task that does not exist is stale", async () => {
        const task = await created("t1");
        expect(await store.tasks.change({ ...moveTo(task, "CANCELED"), taskId: "t2" })).toEqual({ kind: "stale" });
      });

      it("along an edge that the domain does not have is refused and leaves nothing", async () => {
        const task = await created("t1");
        const done = await applied(moveTo(task, "CANCELED"));
        await expect(store.tasks.change(moveTo(done, "RUNNING"))).rejects.toThrow(/CANCELED to RUNNING/);
        await expect(store.tasks.change(moveTo(done, "CANCELED"))).rejects.toThrow(/no such edge/);
        expect(await store.tasks.get("t1")).toEqual(done);
        expect((await store.tasks.events("t1", 0, 10)).rows).toHaveLength(2);
      });

      it("of state without an event is refused", async () => {
        const task = await created("t1");
        await expect(store.tasks.change({ ...moveTo(task, "CANCELED"), events: [] })).rejects.toThrow(/without an event/);
      });

      it("to a terminal state ends every wait, and no later one can begin", async () => {
        const task = await created("t1");
        const waiting = { code: "no_capacity", text: "no node", details: { free: 1 }, until: NOW + 9 } as const;
        const pending = await applied(moveTo(task, "PENDING_RESOURCES", { patch: { waiting, nextRunAt: NOW + 9 } }));
        expect(pending).toMatchObject({ waiting, nextRunAt: NOW + 9 });
        await expect(store.tasks.change(moveTo(pending, "CANCELED", { patch: { nextRunAt: NOW } }))).rejects.toThrow(/wait for nothing/);
        const done = await applied(moveTo(pending, "CANCELED"));
        expect(done).toMatchObject({ waiting: null, nextRunAt: null });
        await expect(store.tasks.change({ taskId: "t1", version: done.version, epoch: null, at: NOW, patch: { waiting } })).rejects.toThrow(
          /wait for nothing/,
        );
      });

      it("keeps every field of its patch", async () => {
        const task = await created("t1");
        const patch = {
          held: true,
          priority: 7,
          cancelRequestedAt: NOW,
          cancelActor: "admin",
          startedAt: NOW + 1,
          progress: { step: 1, totalSteps: null, metric: { key: "reward", value: 0.1 }, updatedAt: NOW },
        };
        expect(await applied({ taskId: "t1", version: 1, epoch: null, at: NOW, patch })).toEqual({ ...task, ...patch, version: 2 });
        const back = { held: false, cancelRequestedAt: null, cancelActor: null, startedAt: null, progress: null };
        await applied({ taskId: "t1", version: 2, epoch: null, at: NOW, patch: back });
        expect(await store.tasks.get("t1")).toEqual({ ...task, priority: 7, version: 3 });
      });

      it("records times that never go back, whatever the wall clock did", async () => {
        let task = await created("t1");
        for (const at of [NOW + 50, NOW - 1_000_000, NOW + 60]) {
          task = await applied({ taskId: "t1", version: task.version, epoch: null, at, events: [moved("a"), moved("b")] });
        }
        const { rows } = await store.tasks.events("t1", 0, 100);
        expect(rows.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
        expect(rows.map((event) => event.at - NOW)).toEqual([0, 50, 50, 50, 50, 60, 60]);
      });

      it("gives a task one open attempt at most, and no attempt number twice", async () => {
        const task = await started("t1");
        const queued = await applied(moveTo(task, "QUEUED"));
        await expect(store.tasks.change(moveTo(queued, "SUBMITTING", { newAttempt: newAttempt(queued, 2) }))).rejects.toThrow(/unique/i);
        const lost = await applied({
          taskId: "t1",
          version: queued.version,
          epoch: null,
          at: NOW,
          attempt: { attempt: 1, patch: { state: "LOST", quarantined: true } },
        });
        await expect(store.tasks.change(moveTo(lost, "SUBMITTING", { newAttempt: newAttempt(lost, 1) }))).rejects.toThrow(/newer/);
        await applied(moveTo(lost, "SUBMITTING", { newAttempt: newAttempt(lost, 2) }));
        const attempts = await store.tasks.attempts("t1");
        expect(attempts.map(({ attempt, state, quarantined }) => [attempt, state, quarantined])).toEqual([
          [1, "LOST", true],
          [2, "SUBMITTING", false],
        ]);
        expect((await store.tasks.latestAttempts(["t1", "t2"])).get("t1")).toEqual(attempts[1]);
      });

      it("of an attempt that does not exist is refused whole", async () => {
        const task = await created("t1");
        const change = moveTo(task, "CANCELED", { attempt: { attempt: 1, patch: { state: "CANCELED" } } });
        await expect(store.tasks.change(change)).rejects.toThrow(/no attempt 1/);
        expect(await store.tasks.get("t1")).toEqual(task);
      });
    });

    describe("changes that share a transaction", () => {
      it("are each applied or refused alone", async () => {
        const tasks = await Promise.all(["t1", "t2", "t3"].map(async (id) => await created(id)));
        const [one, two, three] = tasks as [Task, Task, Task];
        const outcomes = await Promise.allSettled([
          store.tasks.change(moveTo(one, "CANCELED")),
          store.tasks.change(moveTo(two, "CANCELED", { attempt: { attempt: 9, patch: { state: "LOST" } } })),
          store.tasks.change({ ...moveTo(three, "CANCELED"), version: 99 }),
          insert(newTask("t4")),
        ]);
        expect(outcomes.map((each) => each.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
        expect((await store.tasks.get("t1"))?.state).toBe("CANCELED");
        expect(await store.tasks.get("t2")).toEqual(two);
        expect((await store.tasks.events("t2", 0, 9)).rows).toHaveLength(1);
        expect(await store.tasks.get("t3")).toEqual(three);
        expect(await store.tasks.countByState()).toMatchObject({ QUEUED: 3, CANCELED: 1 });
      });

      it("show readers nothing before they are acknowledged", async () => {
        const acknowledged = new Set<string>();
        const inserts = Array.from({ length: 40 }, async (_, n) => {
          await created(`t${n}`);
          acknowledged.add(`t${n}`);
        });
        const reads = Array.from({ length: 40 }, async () => {
          await new Promise((resolve) => setImmediate(resolve));
          const seen = new Set((await store.tasks.listOpen()).map((task) => task.taskId));
          for (const id of [...acknowledged].filter((each) => !seen.has(each))) throw new Error(`${id} was acknowledged and not seen`);
          return seen.size;
        });
        await Promise.all(inserts);
        expect((await Promise.all(reads)).every((size) => size === 0 || size === 40)).toBe(true);
      });
    });

    describe("the lead", () => {
      it("raises the epoch once, and changes of an older epoch are stale", async () => {
        const mine = await store.leader.lead("me", NOW);
        if (mine === null) throw new Error("nobody else leads");
        expect(await store.leader.lead("me", NOW + 1)).toBe(mine);
        const task = await created("t1");
        expect(await store.tasks.change(moveTo(task, "CANCELED", { epoch: mine - 1 }))).toEqual({ kind: "stale" });
        expect(await store.tasks.change(moveTo(task, "CANCELED", { epoch: mine + 1 }))).toEqual({ kind: "stale" });
        expect(await store.tasks.get("t1")).toEqual(task);
        expect((await store.tasks.change(moveTo(task, "CANCELED", { epoch: mine }))).kind).toBe("applied");
      });

      it("answers a ping and keeps the id of the database", async () => {
        await store.leader.ping();
        expect(await store.leader.databaseId()).toMatch(/^[0-9a-f]{32}$/);
      });

      it.runIf(database.shared)("has a higher epoch for a later leader, and the database the same id", async () => {
        const first = await store.leader.lead("first", NOW);
        const id = await store.leader.databaseId();
        await store.close();
        store = await openTestStore(fresh);
        const second = await store.leader.lead("second", NOW);
        expect(second).toBe((first ?? Number.NaN) + 1);
        expect(await store.leader.databaseId()).toBe(id);
      });
    });

    describe("finding a task", () => {
      const ids = ["mvp2-alice-ppo-20260101-000000-00ab", "mvp2-alice-ppo-20260102-000000-00cd", "mvp2-bob-sft-20260101-000000-00ab"];

      beforeEach(async () => {
        for (const id of ids) await created(id, { userId: id.includes("bob") ? "bob" : "alice" });
      });

      it.each([
        [ids[0], null, [ids[0]]],
        [ids[0], "bob", []],
        ["mvp2-alice", null, [ids[0], ids[1]]],
        ["mvp2", "bob", [ids[2]]],
        ["mvp2-alice-ppo-20260102", "alice", [ids[1]]],
        ["mvp2-alice-ppo", "bob", []],
        ["00cd", null, [ids[1]]],
        ["00ab", null, [ids[0], ids[2]]],
        ["00ab", "alice", [ids[0]]],
        ["0ab", null, []],
        ["%00cd", null, []],
        ["mvp2-alice%", null, []],
        ["mvp2_alice", null, []],
        ["", null, []],
      ])("by %j for %j gives %j", async (text, userId, expected) => {
        expect([...(await store.tasks.find(text ?? "", userId))].sort()).toEqual(expected);
      });
    });

    it("pages through lists newest first, by user, states, workload and label, without gaps or repeats", async () => {
      const tasks: Task[] = [];
      for (let n = 0; n < 24; n += 1) {
        const task = await created(`t${n}`, {
          userId: n % 2 === 0 ? "alice" : "bob",
          workload: n % 3 === 0 ? "sft" : "ppo",
          labels: { mod: String(n % 4) },
        });
        tasks.push(n % 5 === 0 ? await applied(moveTo(task, n % 10 === 0 ? "CANCELED" : "FAILED")) : task);
      }
      const filters: TaskFilter[] = [
        ALL,
        { ...ALL, userId: "alice" },
        { ...ALL, states: ["CANCELED"] },
        { ...ALL, states: ["CANCELED", "QUEUED", "RUNNING"] },
        { ...ALL, states: [] },
        { userId: "bob", states: ["QUEUED", "FAILED"], workload: "ppo", labels: { mod: "1" } },
        { ...ALL, workload: "sft", labels: { mod: "0" } },
      ];
      for (const filter of filters) {
        const expected = tasks.filter((task) => matches(task, filter)).reverse();
        const paged: Task[] = [];
        for (let more = true, before: number | null = null; more;) {
          const page = await store.tasks.list(filter, before, 3);
          paged.push(...page.rows);
          before = page.rows.at(-1)?.seq ?? null;
          more = page.hasMore;
        }
        expect(paged).toEqual(expected);
      }
      expect(await store.tasks.listOpen()).toEqual(tasks.filter((task) => task.state === "QUEUED"));
    });

    it("counts tasks by state as moves change them", async () => {
      const empty = Object.fromEntries(TASK_STATES.map((state) => [state, 0]));
      expect(await store.tasks.countByState()).toEqual(empty);
      const task = await started("t1");
      await created("t2", { userId: "bob" });
      expect(await store.tasks.countByState()).toEqual({ ...empty, SUBMITTING: 1, QUEUED: 1 });
      await applied(moveTo(task, "RUNNING"));
      expect(await store.tasks.countByState()).toEqual({ ...empty, RUNNING: 1, QUEUED: 1 });
    });

    it("pages through events after a sequence number", async () => {
      const task = await created("t1");
      await applied({ taskId: "t1", version: task.version, epoch: null, at: NOW, events: Array.from({ length: 5 }, () => moved("x")) });
      const page = await store.tasks.events("t1", 2, 3);
      expect(page.rows.map((event) => event.seq)).toEqual([3, 4, 5]);
      expect(page.hasMore).toBe(true);
      expect(await store.tasks.events("t1", 6, 3)).toEqual({ rows: [], hasMore: false });
    });

    describe("users and tokens", () => {
      const token: Token = {
        tokenId: "tok1",
        userId: "alice",
        name: "laptop",
        scope: "full",
        last4: "wxyz",
        createdAt: NOW,
        expiresAt: null,
        revokedAt: null,
        lastUsedAt: null,
      };

      it("an id is given once", async () => {
        expect(await store.users.insertUser(newUser("alice"), AUDIT)).toBe("created");
        expect(await store.users.insertUser({ ...newUser("alice"), displayName: "other" }, AUDIT)).toBe("exists");
        expect(await store.users.getUser("alice")).toEqual(newUser("alice"));
        expect(await store.users.getUser("bob")).toBeNull();
      });

      it("are listed in the order of their ids, page by page", async () => {
        for (const id of ["b", "a-2", "a1", "a"]) await store.users.insertUser(newUser(id), AUDIT);
        const first = await store.users.listUsers(null, 3);
        expect(first).toMatchObject({ rows: [{ userId: "a" }, { userId: "a-2" }, { userId: "a1" }], hasMore: true });
        expect(await store.users.listUsers("a1", 3)).toMatchObject({ rows: [{ userId: "b" }], hasMore: false });
      });

      it("change state and limits, and an unknown one does not", async () => {
        const user = newUser("alice");
        await store.users.insertUser(user, AUDIT);
        expect(await store.users.setUserState("alice", "DISABLED", AUDIT)).toEqual({ ...user, state: "DISABLED" });
        const limits = { ...user.limits, maxGpus: 8 };
        expect(await store.users.setUserLimits("alice", limits, AUDIT)).toEqual({ ...user, state: "DISABLED", limits });
        expect(await store.users.setUserState("bob", "ACTIVE", AUDIT)).toBeNull();
      });

      it("a token is found by its hash only, with its user, also when revoked", async () => {
        await store.users.insertUser(newUser("alice"), AUDIT);
        await store.users.insertToken(token, "hash1", AUDIT);
        expect(await store.users.findByTokenHash("hash1")).toEqual({ token, user: newUser("alice") });
        expect(await store.users.findByTokenHash("hash2")).toBeNull();
        expect(await store.users.revokeToken("bob", "tok1", NOW, AUDIT)).toBe(false);
        expect(await store.users.revokeToken("alice", "tok2", NOW, AUDIT)).toBe(false);
        expect(await store.users.revokeToken("alice", "tok1", NOW + 1, AUDIT)).toBe(true);
        expect(await store.users.revokeToken("alice", "tok1", NOW + 2, AUDIT)).toBe(true);
        expect((await store.users.findByTokenHash("hash1"))?.token.revokedAt).toBe(NOW + 1);
      });

      it("a hash or a token id is given once, and only to a user who exists", async () => {
        await store.users.insertUser(newUser("alice"), AUDIT);
        await store.users.insertToken(token, "hash1", AUDIT);
        await expect(store.users.insertToken({ ...token, tokenId: "tok2" }, "hash1", AUDIT)).rejects.toThrow(/unique/i);
        await expect(store.users.insertToken({ ...token, tokenId: "tok3", userId: "bob" }, "hash3", AUDIT)).rejects.toThrow(/foreign key/i);
        expect(await store.users.listTokens("alice")).toEqual([token]);
      });

      it("the last use of a token only moves forward", async () => {
        await store.users.insertUser(newUser("alice"), AUDIT);
        await store.users.insertToken(token, "hash1", AUDIT);
        await store.users.touchToken("tok1", NOW + 5);
        await store.users.touchToken("tok1", NOW + 3);
        expect((await store.users.listTokens("alice"))[0]?.lastUsedAt).toBe(NOW + 5);
      });
    });

    it("finishes the writes it was given before it closes, and refuses later ones", async () => {
      const given = created("t1");
      const closing = store.close();
      await expect(insert(newTask("t2"))).rejects.toThrow(/closed/);
      expect((await given).taskId).toBe("t1");
      await closing;
      fresh = database.shared ? fresh : await database.fresh();
      store = await openTestStore(fresh);
      if (database.shared) expect((await store.tasks.listOpen()).map((task) => task.taskId)).toEqual(["t1"]);
    });
  });
}

function taskOfOutcome(outcome: InsertTaskOutcome): Task {
  if (outcome.kind !== "created") throw new Error(`the task was not created: ${JSON.stringify(outcome)}`);
  return outcome.task;
}

function matches(task: Task, filter: TaskFilter): boolean {
  return (
    (filter.userId === null || task.userId === filter.userId) &&
    (filter.states === null || filter.states.includes(task.state)) &&
    (filter.workload === null || task.workload === filter.workload) &&
    Object.entries(filter.labels).every(([key, value]) => task.labels[key] === value)
  );
}
