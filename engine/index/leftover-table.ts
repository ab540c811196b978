// Folders that were taken off this node while their blocks are still in the store. A row comes with the end of the folder's own rows and goes
// once the blocks have gone.

import type { StatementSync } from 'node:sqlite'
import { assert } from '../base/assert.ts'
import { parseFolderId, type FolderId } from '../model/ids.ts'
import { bytesOf } from './columns.ts'
import type { Database } from './database.ts'

export class LeftoverTable {
  readonly #all: StatementSync
  readonly #put: StatementSync
  readonly #drop: StatementSync

  constructor(database: Database) {
    this.#all = database.prepare('select folder_id from leftover order by folder_id')
    this.#put = database.prepare('insert or ignore into leftover (folder_id) values (?)')
    this.#drop = database.prepare('delete from leftover where folder_id = ?')
  }

  all(): readonly FolderId[] {
    return this.#all.all().map((row) => {
      const id = parseFolderId(bytesOf(row, 'folder_id'))
      assert(id !== undefined, 'a stored folder id is one')
      return id
    })
  }

  put(folder: FolderId): void {
    this.#put.run(folder)
  }

  drop(folder: FolderId): void {
    this.#drop.run(folder)
  }
}
