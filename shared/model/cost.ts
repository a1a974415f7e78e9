/** Money as a decimal string, exact: never a binary fraction. */
export interface Cost {
  readonly amount: string;
  /** ISO 4217. */
  readonly currency: string;
}
