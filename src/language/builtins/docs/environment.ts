/** What is written about the builtins that tell about the world, by name and arguments. */

export const ENVIRONMENT_DOCS: Readonly<Record<string, string>> = {
  builtins: "The set of everything that is built in.",
  currentSystem:
    'The platform that this evaluation is for, such as `"x86_64-linux"`. Pure evaluation does not have it.',
  currentTime: "The time when evaluation began, in seconds since 1970. Pure evaluation does not have it.",
  false: "The Boolean that is not true.",
  "getEnv name":
    "The value of an environment variable, and the empty string when there is none. Pure evaluation sees no variables.",
  langVersion: "The version of the language: 6.",
  nixPath:
    "The search path that `<name>` is looked up in, as a list of sets `{ prefix; path; }`. Empty in pure evaluation.",
  nixVersion: "The version of Nix whose language this is.",
  null: "The value that stands for nothing.",
  storeDir: 'The directory of the store, such as `"/nix/store"`.',
  true: "The Boolean that is true.",
};
