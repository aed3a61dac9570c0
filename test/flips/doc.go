// Package flips holds the tests of what a workspace's files say when a disk, a cable or a
// copy has changed a bit of them, and of files that older versions of the program wrote.
//
// Every kind of file is changed bit by bit, and every reader of it is asked: it says
// what it said before, or that the file is damaged, and nothing else. COOPER_SOAK tries
// every bit of every file (make soak); else it is a sample.
package flips
