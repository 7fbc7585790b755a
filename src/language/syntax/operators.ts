/** The binary operators: how tightly they bind, and what they do. */
import { BinaryOp } from "./ast.ts";
import { Token } from "./token.ts";

// Precedences of operators that are no `BinaryOp`; a higher one binds tighter.
export const PRECEDENCE_NOT: number = 7;
export const PRECEDENCE_NEGATE: number = 12;
export const PRECEDENCE_HAS_ATTR: number = 11;

const LEFT: number = 0;
export const RIGHT: number = 1;
export const NONE: number = 2;

/** Precedence, associativity and operation by token; precedence 0 is no operator. */
export const PRECEDENCE: Uint8Array = new Uint8Array(64);
export const ASSOCIATIVITY: Uint8Array = new Uint8Array(64);
export const OPERATION: Uint8Array = new Uint8Array(64);

function operator(token: Token, precedence: number, associativity: number, operation: BinaryOp): void {
  PRECEDENCE[token] = precedence;
  ASSOCIATIVITY[token] = associativity;
  OPERATION[token] = operation;
}

operator(Token.Impl, 1, RIGHT, BinaryOp.Impl);
operator(Token.Or, 2, LEFT, BinaryOp.Or);
operator(Token.And, 3, LEFT, BinaryOp.And);
operator(Token.Eq, 4, NONE, BinaryOp.Eq);
operator(Token.NotEq, 4, NONE, BinaryOp.NotEq);
operator(Token.Less, 5, NONE, BinaryOp.Less);
operator(Token.Greater, 5, NONE, BinaryOp.Greater);
operator(Token.LessEq, 5, NONE, BinaryOp.LessEq);
operator(Token.GreaterEq, 5, NONE, BinaryOp.GreaterEq);
operator(Token.Update, 6, RIGHT, BinaryOp.Update);
operator(Token.Plus, 8, LEFT, BinaryOp.Add);
operator(Token.Minus, 8, LEFT, BinaryOp.Sub);
operator(Token.Star, 9, LEFT, BinaryOp.Mul);
operator(Token.Slash, 9, LEFT, BinaryOp.Div);
operator(Token.Concat, 10, RIGHT, BinaryOp.Concat);
PRECEDENCE[Token.Question] = PRECEDENCE_HAS_ATTR;
