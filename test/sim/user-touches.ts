// Which paths people have worked on, and when: what an engine has not looked at since, it cannot know.

import type { Scheduler } from './scheduler.ts'
import type { SimNode } from './node.ts'

export class UserTouches {
  readonly #scheduler: Scheduler
  readonly #touched = new Map<SimNode, Map<string, number>>()
  readonly #trueUs = new Map<string, number>()

  constructor(scheduler: Scheduler, nodes: readonly SimNode[]) {
    this.#scheduler = scheduler
    for (const node of nodes) {
      const touched = new Map<string, number>()
      this.#touched.set(node, touched)
      node.disk.onChange(({ path, by }) => {
        if (by === 'user') touched.set(path, scheduler.nowUs)
      })
    }
  }

  /** Something was as it was said to be. */
  noteTrue(what: string): void {
    this.#trueUs.set(what, this.#scheduler.nowUs)
  }

  /** Whether a person changed the path, or a directory above it, since that was so, or ever. */
  isTouched(node: SimNode, path: string, what: string): boolean {
    const sinceUs = this.#trueUs.get(what) ?? 0
    const touched = this.#touched.get(node)
    const parts = `${node.folderPath}/${path}`.split('/')
    return parts.some((_, at) => (touched?.get(parts.slice(0, at + 1).join('/')) ?? -1) >= sinceUs)
  }
}
