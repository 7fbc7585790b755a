/** Evaluations that leave a profile behind, whatever comes of them. */

import { resolve } from "node:path";
import type { ProfileRequest } from "../../realise/evaluation-request.ts";
import type { Profile } from "../../realise/profile.ts";
import { writeFileAtomic } from "../../system/files.ts";
import { collapsedStacks, renderProfile } from "./profile-file.ts";

type OnProfile = { readonly onProfile: (profile: Profile) => void };

const PERIOD_MS = 0.5;
export const PROFILE_REQUEST: ProfileRequest = { periodMs: PERIOD_MS, byCallSite: false };

/** Evaluates, and writes the profile in the form that the file's name asks for. */
export async function profiledEvaluation<T>(file: string, evaluate: (services: OnProfile) => Promise<T>): Promise<T> {
  return await withProfile(file, evaluate, (profile) => renderProfile(profile, file));
}

/** Evaluates, and writes the samples as Nix does. */
export async function nixProfiledEvaluation<T>(
  file: string,
  evaluate: (services: OnProfile) => Promise<T>,
): Promise<T> {
  return await withProfile(file, evaluate, (profile) => collapsedStacks(profile, ({ samples }) => samples));
}

async function withProfile<T>(
  file: string,
  evaluate: (services: OnProfile) => Promise<T>,
  render: (profile: Profile) => string,
): Promise<T> {
  let text: string | undefined;
  try {
    return await evaluate({
      onProfile: (profile) => {
        text = render(profile);
      },
    });
  } finally {
    if (text !== undefined) await writeFileAtomic(resolve(file), text);
  }
}
