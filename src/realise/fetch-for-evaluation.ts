/** Fetching while an evaluation waits: its questions put to the fetchers. */

import { Fetcher, type FetcherOptions } from "../fetch/fetcher.ts";
import type { Answer, Question } from "./evaluate-messages.ts";

export type FetchQuestion = Exclude<Question, { readonly kind: "fetch-closure" | "realise" | "write-lock" }>;

export type FetchService = (question: FetchQuestion, signal: AbortSignal) => Promise<Answer<FetchQuestion>>;

/** The fetch service of an evaluation. */
export function fetchForEvaluation(options: FetcherOptions): FetchService {
  const fetcher = new Fetcher(options);
  return async (question, signal) => {
    switch (question.kind) {
      case "fetch-tree":
        return await fetcher.tree(question.input, signal, question.path);
      case "fetch-file":
        return await fetcher.file(question.request, signal);
    }
  };
}
