// Time as the engine sees it. The simulator has its own; Node's is in platform/.

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump either way: never used to order events. */
  nowMs(): number
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  monotonicMs(): number
  /** Resolves after `durationMs`; rejects with an `ABORTED` EngineError as soon as `signal` aborts. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>
}

export interface Random {
  /** Fresh unpredictable bytes (a seeded stream in the simulator). */
  bytes(length: number): Uint8Array
}
