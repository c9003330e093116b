/** Whether the server answers: one fact for the whole page. */
import { observable } from "../observable.ts";

const away = observable(false);

export const connection = {
  isAway: away,
  answered: (): void => away.set(false),
  failed: (): void => away.set(true),
};
