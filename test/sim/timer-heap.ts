// The queue of timers: a binary heap by due time, then by the drawn tie, then by order of creation.

import type { Life } from './life.ts'

export interface Timer {
  readonly dueUs: number
  readonly tie: number
  readonly sequence: number
  readonly label: string
  readonly action: () => void
  readonly life: Life | undefined
  isCancelled: boolean
}

export class TimerHeap {
  readonly #heap: Timer[] = []

  push(timer: Timer): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(timer)
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = heap[parentAt]
      if (parent === undefined || isBefore(parent, timer)) break
      heap[at] = parent
      at = parentAt
    }
    heap[at] = timer
  }

  clear(): void {
    this.#heap.splice(0)
  }

  /** The next timer that still counts: cancelled ones and those of dead processes are dropped on the way. */
  peek(): Timer | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (!top.isCancelled && top.life?.isOver !== true) return top
      this.#removeTop()
    }
    return undefined
  }

  pop(): Timer | undefined {
    const top = this.peek()
    if (top !== undefined) this.#removeTop()
    return top
  }

  #removeTop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let childAt = 2 * at + 1
      let child = heap[childAt]
      const right = heap[childAt + 1]
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right
        childAt++
      }
      if (child === undefined || isBefore(last, child)) break
      heap[at] = child
      at = childAt
    }
    heap[at] = last
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  if (left.dueUs !== right.dueUs) return left.dueUs < right.dueUs
  if (left.tie !== right.tie) return left.tie < right.tie
  return left.sequence < right.sequence
}
