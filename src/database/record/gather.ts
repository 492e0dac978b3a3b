// How commands are gathered. Invariant: what finds none out leaves at once, so that an idle caller waits for nothing.

/**
 * Does one at a time what it is given, and what comes meanwhile together, next: a batcher of the traffic room, given from outside.
 * `run` resolves to one result an item, in their order.
 */
export type Gather = <Item, Result>(run: (items: readonly Item[]) => Promise<readonly Result[]>) => (item: Item) => Promise<Result>
