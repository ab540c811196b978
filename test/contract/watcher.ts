// What every watcher must do. Real ones run on a real directory; each test waits for the event it needs, with a deadline.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'

import { EngineError } from '../../engine/base/errors.ts'
import type { OpenWatcher, WatchEvent } from '../../engine/disk/watch.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const deadlineMs = 10_000

export interface WatcherTraits {
  /** Whether directories that were made or moved in as a whole are watched to their depth. */
  readonly seesNewTrees: boolean
  /** Whether a change of the permission bits alone is told. */
  readonly seesModes: boolean
}

class Watched implements AsyncDisposable {
  readonly #directory = temporaryDirectory()
  readonly root: string
  readonly events: WatchEvent[] = []
  #onEvent: () => void = () => undefined
  #watcher: AsyncDisposable | undefined

  private constructor() {
    this.root = `${this.#directory.path}/root`
  }

  static async open(open: OpenWatcher, prepare: (root: string) => void = () => undefined): Promise<Watched> {
    const watched = new Watched()
    mkdirSync(watched.root)
    prepare(watched.root)
    const options = {
      root: watched.root,
      isIgnored: (path: string) => path === '.holdfast' || path.startsWith('.holdfast/'),
      onEvent: (event: WatchEvent) => {
        watched.events.push(event)
        watched.#onEvent()
      },
    }
    watched.#watcher = await open(options, new AbortController().signal)
    return watched
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher?.[Symbol.asyncDispose]()
    this.#directory[Symbol.dispose]()
  }

  /** Resolves once `isThere` holds; looks again at each event. */
  async until(isThere: () => boolean, what: string): Promise<void> {
    const signal = AbortSignal.timeout(deadlineMs)
    while (!isThere()) {
      await new Promise<void>((resolve, reject) => {
        this.#onEvent = resolve
        signal.addEventListener('abort', () =>
          reject(new Error(`${what}: not within ${deadlineMs} ms; saw ${JSON.stringify(this.events)}`)),
        )
      })
    }
  }

  /** A hint at the path or at something above it. */
  async hinted(path: string): Promise<void> {
    const covers = (hint: string): boolean => hint === '' || hint === path || path.startsWith(`${hint}/`)
    await this.until(
      () => this.events.some((event) => event.kind === 'lost' || (event.kind === 'hint' && event.paths.some(covers))),
      `hint for ${path}`,
    )
  }

  forget(): void {
    this.events.length = 0
  }
}

export function watcherSuite(name: string, open: OpenWatcher, traits: WatcherTraits): void {
  describe(`Watcher: ${name}`, { timeout: 60_000 }, () => {
    it('tells of files made, changed, renamed and deleted, at any depth', async () => {
      await using watched = await Watched.open(open, (root) => mkdirSync(`${root}/d/e`, { recursive: true }))
      const file = `${watched.root}/d/e/f`
      writeFileSync(file, '1')
      await watched.hinted('d/e/f')
      watched.forget()
      writeFileSync(file, 'longer')
      await watched.hinted('d/e/f')
      watched.forget()
      renameSync(file, `${watched.root}/d/g`)
      await watched.hinted('d/e/f')
      await watched.hinted('d/g')
      watched.forget()
      rmSync(`${watched.root}/d/g`)
      await watched.hinted('d/g')
    })

    it('tells of directories and symlinks', async () => {
      await using watched = await Watched.open(open)
      mkdirSync(`${watched.root}/d`)
      await watched.hinted('d')
      symlinkSync('d', `${watched.root}/l`)
      await watched.hinted('l')
      rmSync(`${watched.root}/d`, { recursive: true })
      await watched.hinted('d')
    })

    it('tells of changes in a directory made a moment ago', async () => {
      await using watched = await Watched.open(open)
      mkdirSync(`${watched.root}/d`)
      await watched.hinted('d')
      watched.forget()
      writeFileSync(`${watched.root}/d/f`, '')
      await watched.hinted('d/f')
    })

    it('tells of changed permission bits', { skip: !traits.seesModes }, async () => {
      await using watched = await Watched.open(open, (root) => writeFileSync(`${root}/f`, ''))
      chmodSync(`${watched.root}/f`, 0o600)
      await watched.hinted('f')
    })

    it('watches a tree made at once to its depth', { skip: !traits.seesNewTrees }, async () => {
      await using watched = await Watched.open(open)
      mkdirSync(`${watched.root}/a/b/c/d/e`, { recursive: true })
      await watched.hinted('a/b/c/d/e')
      watched.forget()
      writeFileSync(`${watched.root}/a/b/c/d/e/f`, '')
      await watched.hinted('a/b/c/d/e/f')
    })

    it('watches a tree moved in, and moved on within, by its new name', { skip: !traits.seesNewTrees }, async () => {
      await using watched = await Watched.open(open)
      mkdirSync(`${watched.root}/../outside/x/y`, { recursive: true })
      renameSync(`${watched.root}/../outside`, `${watched.root}/in`)
      await watched.hinted('in')
      watched.forget()
      writeFileSync(`${watched.root}/in/x/y/f`, '')
      await watched.hinted('in/x/y/f')
      renameSync(`${watched.root}/in`, `${watched.root}/on`)
      await watched.hinted('on')
      watched.forget()
      writeFileSync(`${watched.root}/on/x/y/f`, 'again')
      await watched.hinted('on/x/y/f')
    })

    it('says nothing of what is ignored', async () => {
      await using watched = await Watched.open(open, (root) => mkdirSync(`${root}/.holdfast`))
      writeFileSync(`${watched.root}/.holdfast/x`, '')
      writeFileSync(`${watched.root}/seen`, '')
      await watched.hinted('seen')
      const paths = watched.events.flatMap((event) => (event.kind === 'hint' ? event.paths : []))
      assert.ok(!paths.some((path) => path.startsWith('.holdfast')), String(paths))
    })

    it('dies when the root is deleted, once and as its last event', async () => {
      await using watched = await Watched.open(open, (root) => writeFileSync(`${root}/f`, ''))
      rmSync(watched.root, { recursive: true })
      await watched.until(() => watched.events.some((event) => event.kind === 'dead'), 'death')
      assert.equal(watched.events.at(-1)?.kind, 'dead')
      assert.equal(watched.events.filter((event) => event.kind === 'dead').length, 1)
    })

    it('refuses a root that is not there', async () => {
      const options = { root: '/holdfast-none/x', isIgnored: () => false, onEvent: () => undefined }
      await assert.rejects(
        open(options, new AbortController().signal),
        (error) => error instanceof EngineError && error.code === 'PATH_MISSING',
      )
    })

    it('is silent once it is closed', async () => {
      const watched = await Watched.open(open)
      await watched[Symbol.asyncDispose]()
      assert.deepEqual(watched.events, [])
    })
  })
}
