/** A list of the API as a whole, in as many pages as it takes. */
import type { JsonAnswers } from "./answers.ts";
import type { Answer, Api, CallInput } from "./client.ts";

type ListId = "listUsers" | "listTokens" | "listAttempts" | "listNodes";
const PAGE = 200;

export async function allPages<Id extends ListId>(api: Api, id: Id, input: CallInput = {}): Promise<readonly Answer<JsonAnswers[Id]>[]> {
  const pages: Answer<JsonAnswers[Id]>[] = [];
  let cursor: string | null = null;
  do {
    const answer: Answer<JsonAnswers[Id]> = await api.call(id, { ...input, query: { limit: PAGE, cursor } });
    pages.push(answer);
    cursor = answer.value.next_cursor;
  } while (cursor !== null);
  return pages;
}

/** One object as the API gives it, with the rows of all pages: what --json prints. */
export function joinedRaw(pages: readonly Answer<unknown>[], noun: string): object {
  const raws = pages.map((page) => page.raw as { readonly [key: string]: unknown });
  return { ...raws[0], [noun]: raws.flatMap((raw) => raw[noun]), next_cursor: null };
}
