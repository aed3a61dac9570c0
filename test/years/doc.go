// Package years lets two years of a platform go by, and wants of every moment of them: no file that is linked is ever
// unreadable; a file without a link for long enough is in the archive; each restore gives the same bytes; nothing is said to be
// AVAILABLE or UNLINKED before it can be read; the owner's column and the state agree, after a run that was killed at the latest
// a few later; each change of a status is told once, from what it was before.
//
// A world has many tenants, each with a chance of his own, whatever the others do: what one of them does is a history of two
// years by itself (-years.tenant has him do it alone). They upload, link, move and end links, delete rows and objects, rename,
// overwrite, upload under the name of what was archived, hold, ask a guard, and want files back; also in the midst of a run, at
// any request or look at the clock. To all of them happens what a world's own chance says: columns and tables come, a database is put
// back from a copy, values cannot be read, clocks jump (ours, which is that of the file of SQLite; the owner's; the store's), objects are
// compressed, persons keep files, stores keep something else than what they were to copy, runs are stopped, or killed with
// SIGKILL and taken up again by a timer.
//
// What is real: all of package job and what it uses, from the configuration to the facts: inventories, scans and their judgement,
// DuckDB, detections, marks, plans to archive, the fence and its look, copies, proofs, manifests, removals, restores (in the end, in every second
// world, from the archive alone), compress; the owner's database is a file of SQLite, which his program writes at the same time; the client
// of S3 and its HTTP; processes that are killed. What is not: the store is in memory; its classes bring what was asked for by the next
// day; DuckDB stays open from one command to the next; the guard's listener is left out, and its facts are written; nobody deletes from the archive. SQLite has no
// transactions that are open while a status is written, so that waiting for them is not tried here: that is what internal/fence and its model
// do. What is in the archive once stays there, so that a key goes there once: files of keys that were are not wanted there again.
//
// What nothing mends yet, and so is not wanted here: marks whose run was killed between the state and the column, and old rows that
// were put back, leave a column that says something else than the state, until the file is restored (loosen). A link that is made to a file that an old
// row calls AVAILABLE, though it is in the archive, leads to nothing until detect has told of it, as relinked, and somebody has restored it
// (stranded).
//
// An ordinary run is one world, looked at every two months; COOPER_SOAK=n goes through n worlds with more tenants, looked at every one or two weeks. A failure
// prints how to run that tenant alone, to that day, all that happened to the file, and what happened to all shortly before;
// -years.shrink also leaves out what the failure does not need.
package years
