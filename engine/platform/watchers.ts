// Which watcher a folder gets: the system's own, chokidar where that fails, polling where nothing tells of changes (network drives).

import { lstatSync } from 'node:fs'

import type { AsyncSubscription, Event } from '@parcel/watcher'
import { watch } from 'chokidar'

import { EngineError, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { abortable, throwIfAborted } from '../base/queue.ts'
import type { OpenWatcher, Watcher, WatcherOptions } from '../disk/watch.ts'
import { openDirectoryWatcher } from './directory-watcher.ts'
import { HintBatch, relativeTo } from './hint-batch.ts'

const pollingIntervalMs = 5000

/** The watcher of the operating system. Throws EngineError when it cannot watch. */
export const openNativeWatcher: OpenWatcher = (options, signal) =>
  process.platform === 'linux' ? openDirectoryWatcher(options, signal) : openParcelWatcher(options, signal)

/** FSEvents and ReadDirectoryChangesW by @parcel/watcher, which hold back hints for 50 ms, under load for up to 500 ms. */
export const openParcelWatcher: OpenWatcher = async (options, signal) => {
  throwIfAborted(signal)
  refuseMissingRoot(options.root)
  const hints = new HintBatch(options)
  // Loaded only here: on Linux it is not used, and a machine without its binary must still start.
  const parcel = await import('@parcel/watcher')
  const onEvents = (error: Error | null, events: readonly Event[]): void => {
    if (error !== null) {
      // FSEvents and Windows report dropped events in these words; anything else ends the subscription.
      if (/dropped|overflow|re-scan/i.test(error.message)) hints.lost(error.message)
      else hints.dead(error.message)
      return
    }
    for (const event of events) {
      const path = relativeTo(options.root, event.path)
      if (path === '' && event.type === 'delete') return hints.dead(`${options.root} is gone`)
      if (path !== undefined) hints.add(path)
    }
  }
  let subscription: AsyncSubscription
  try {
    subscription = await parcel.subscribe(options.root, onEvents)
  } catch (error) {
    throw new EngineError('DISK_FAILED', `${options.root} cannot be watched: ${messageOf(error)}`, { cause: error })
  }
  return {
    method: 'native',
    [Symbol.asyncDispose]: async () => {
      hints[Symbol.dispose]()
      await subscription.unsubscribe()
    },
  }
}

/** chokidar over fs.watch: works everywhere, at the price of memory (some 5 KB a file). */
export const openPortableWatcher: OpenWatcher = (options, signal) => openChokidar(options, signal, 'portable')

/** chokidar looking at every file again and again: for network drives, where the system tells nothing. */
export const openPollingWatcher: OpenWatcher = (options, signal) => openChokidar(options, signal, 'polling')

async function openChokidar(options: WatcherOptions, signal: AbortSignal, method: 'portable' | 'polling'): Promise<Watcher> {
  throwIfAborted(signal)
  refuseMissingRoot(options.root)
  const hints = new HintBatch(options)
  const watcher = watch(options.root, {
    ignoreInitial: true,
    followSymlinks: false,
    ignorePermissionErrors: true,
    usePolling: method === 'polling',
    interval: pollingIntervalMs,
    binaryInterval: pollingIntervalMs,
    ignored: (absolute) => {
      const path = relativeTo(options.root, absolute)
      return path !== undefined && path !== '' && options.isIgnored(path)
    },
  })
  const close = async (): Promise<void> => {
    hints[Symbol.dispose]()
    await watcher.close()
  }
  watcher.on('all', (event, absolute) => {
    const path = relativeTo(options.root, absolute)
    if (path === '' && event === 'unlinkDir') hints.dead(`${options.root} is gone`)
    else if (path !== undefined) hints.add(path)
  })
  try {
    await abortable<void>((resolve, reject) => {
      watcher.once('ready', () => resolve())
      watcher.once('error', reject)
    }, signal)
  } catch (error) {
    await close()
    if (error instanceof EngineError) throw error
    throw new EngineError('DISK_FAILED', `${options.root} cannot be watched: ${messageOf(error)}`, { cause: error })
  }
  watcher.on('error', (error) => hints.dead(messageOf(error)))
  return { method, [Symbol.asyncDispose]: close }
}

function refuseMissingRoot(root: string): void {
  if (lstatSync(root, { throwIfNoEntry: false })?.isDirectory() === true) return
  throw new EngineError('PATH_MISSING', `${root} cannot be watched: it is not a directory`)
}

/** Tries native, then portable, then polling watching (or only the last), and logs what a folder ended up with. */
export function openWatcherAuto(preferred: 'auto' | 'polling', log: Log): OpenWatcher {
  const openers: readonly (readonly [string, OpenWatcher])[] = [
    ['native', openNativeWatcher],
    ['portable', openPortableWatcher],
    ['polling', openPollingWatcher],
  ]
  return openFirst(preferred === 'polling' ? openers.slice(-1) : openers, log)
}

/** The first opener that works. An abort and a missing root are the same for all and are thrown at once. */
export function openFirst(openers: readonly (readonly [string, OpenWatcher])[], log: Log): OpenWatcher {
  return async (options, signal) => {
    let last: unknown
    for (const [method, open] of openers) {
      try {
        const watcher = await open(options, signal)
        log.info('watching a folder', { root: options.root, method: watcher.method })
        return watcher
      } catch (error) {
        if (error instanceof EngineError && (error.code === 'ABORTED' || error.code === 'PATH_MISSING')) throw error
        log.warn('a watcher could not be opened', { root: options.root, method, reason: messageOf(error) })
        last = error
      }
    }
    throw last
  }
}
