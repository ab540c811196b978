// Change hints from the operating system. A hint may be late, doubled, missing or wrong; the periodic walk is the truth.

export type WatchEvent =
  /** Something at or below these paths (relative to the root, '/'-separated, '' = the root) may have changed. */
  | { readonly kind: 'hint'; readonly paths: readonly string[] }
  /** Events were dropped: walk everything. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** The watcher died; no more events will come. The caller says so and starts another. */
  | { readonly kind: 'dead'; readonly reason: string }

export interface WatcherOptions {
  readonly root: string
  /** Paths for which this holds are not reported (the folder's own .holdfast/ directory at least). */
  readonly isIgnored: (relativePath: string) => boolean
  readonly onEvent: (event: WatchEvent) => void
}

export interface Watcher extends AsyncDisposable {
  /** For `status` and the log: 'native', 'portable', 'polling', 'none'. */
  readonly method: string
}

export type OpenWatcher = (options: WatcherOptions, signal: AbortSignal) => Promise<Watcher>
