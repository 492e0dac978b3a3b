// What the database room needs of the world outside: processes and a place for its files. Given by io.ts.

export interface Processes {
  isAlive(pid: number): boolean
  /** Sends a signal; false when there is no such process. */
  signal(pid: number, name: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): boolean
  /** When the process started, as the system tells it (opaque, comparable); null where the system does not tell. */
  startToken(pid: number): string | null
}
