/** The tokens of the Nix language and what Nix calls them in messages. */

const CODES = {
  EndOfFile: 0,
  Invalid: 1,
  Identifier: 2,
  StringPart: 3,
  IndentedPart: 4,
  Integer: 5,
  Float: 6,
  Path: 7,
  HomePath: 8,
  SearchPath: 9,
  PathEnd: 10,
  Uri: 11,
  If: 12,
  Then: 13,
  Else: 14,
  Assert: 15,
  With: 16,
  Let: 17,
  In: 18,
  Rec: 19,
  Inherit: 20,
  Eq: 21,
  NotEq: 22,
  LessEq: 23,
  GreaterEq: 24,
  Update: 25,
  Concat: 26,
  And: 27,
  Or: 28,
  Impl: 29,
  OrKeyword: 30,
  PipeFrom: 31,
  PipeInto: 32,
  DollarBrace: 33,
  IndentedOpen: 34,
  IndentedClose: 35,
  Ellipsis: 36,
  Less: 37,
  Greater: 38,
  Plus: 39,
  Minus: 40,
  Star: 41,
  Slash: 42,
  Question: 43,
  Colon: 44,
  At: 45,
  Semicolon: 46,
  Not: 47,
  Dot: 48,
  Quote: 49,
  ParenOpen: 50,
  ParenClose: 51,
  BraceOpen: 52,
  BraceClose: 53,
  BracketOpen: 54,
  BracketClose: 55,
  Assign: 56,
  Comma: 57,
} as const;

/** A token's number. Not a union: the lexer's current token changes behind the type checker's back. */
export type Token = number;

/** The tokens, numbered in the order in which Nix lists expected ones. */
export const Token: Readonly<Record<keyof typeof CODES, Token>> = CODES;

/** What Nix calls each token, by number. UTF-8 as a byte string, as all text of the language is. */
export const TOKEN_NAMES: readonly string[] = [
  "end of file",
  "invalid token",
  "identifier",
  "string",
  "indented string",
  "integer",
  "floating-point literal",
  "path",
  "'~/\xe2\x80\xa6' path",
  "'<\xe2\x80\xa6>' path",
  "end of path",
  "URI",
  "'if'",
  "'then'",
  "'else'",
  "'assert'",
  "'with'",
  "'let'",
  "'in'",
  "'rec'",
  "'inherit'",
  "'=='",
  "'!='",
  "'<='",
  "'>='",
  "'//'",
  "'++'",
  "'&&'",
  "'||'",
  "'->'",
  "'or'",
  "'<|'",
  "'|>'",
  "'${'",
  "start of an indented string",
  "end of an indented string",
  "'...'",
  "'<'",
  "'>'",
  "'+'",
  "'-'",
  "'*'",
  "'/'",
  "'?'",
  "':'",
  "'@'",
  "';'",
  "'!'",
  "'.'",
  "'\"'",
  "'('",
  "')'",
  "'{'",
  "'}'",
  "'['",
  "']'",
  "'='",
  "','",
];

/** Reserved words. `or` is one only after an attribute path, but the lexer cannot know that. */
export const KEYWORDS: ReadonlyMap<string, Token> = new Map<string, Token>([
  ["if", Token.If],
  ["then", Token.Then],
  ["else", Token.Else],
  ["assert", Token.Assert],
  ["with", Token.With],
  ["let", Token.Let],
  ["in", Token.In],
  ["rec", Token.Rec],
  ["inherit", Token.Inherit],
  ["or", Token.OrKeyword],
]);

/** More expected tokens than this and Nix lists none. */
const EXPECTED_TOKENS_MAX = 4;

/** `syntax error, unexpected X, expecting Y or Z`. */
export function syntaxErrorMessage(unexpected: Token, expected: readonly Token[]): string {
  let message = `syntax error, unexpected ${TOKEN_NAMES[unexpected] as string}`;
  if (expected.length > 0 && expected.length <= EXPECTED_TOKENS_MAX) {
    const names = expected.toSorted((a, b) => a - b).map((token) => TOKEN_NAMES[token] as string);
    message += `, expecting ${names.join(" or ")}`;
  }
  return message;
}
