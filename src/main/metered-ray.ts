/** Calls to Ray, timed: what a call came to, never its id. */
import type { Clock, RayJobs } from "../control/ports.ts";
import type { Meters } from "../http/meters.ts";

export function meteredRay(ray: RayJobs, meters: Pick<Meters, "ray">, clock: Pick<Clock, "monotonicMs">): RayJobs {
  const timed = async <T>(call: string, work: Promise<T>, outcomeOf: (result: T) => string): Promise<T> => {
    const start = clock.monotonicMs();
    const done = (outcome: string): void => meters.ray(call, outcome, (clock.monotonicMs() - start) / 1000);
    try {
      const result = await work;
      done(outcomeOf(result));
      return result;
    } catch (error) {
      done("error");
      throw error;
    }
  };
  return {
    submit: (request, signal) => timed("submit", ray.submit(request, signal), (result) => result.kind),
    get: (id, signal) => timed("get", ray.get(id, signal), (result) => result.kind),
    stop: (id, signal) => timed("stop", ray.stop(id, signal), () => "sent"),
    remove: (id, signal) => timed("remove", ray.remove(id, signal), () => "sent"),
  };
}
