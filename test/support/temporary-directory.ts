// A directory of its own for one test, gone when the test is.

import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryDirectory extends Disposable {
  readonly path: string
}

export function temporaryDirectory(): TemporaryDirectory {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-test-')))
  return {
    path,
    [Symbol.dispose]: () => {
      chmodSync(path, 0o700)
      rmSync(path, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}
