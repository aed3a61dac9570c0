// Package browser is for tests alone: it opens the pages of a report and of a file
// handle in a real Chromium and uses them as a person would, by mouse and by keyboard.
//
// Without Chromium on the PATH (Debian: apt-get install chromium) the tests skip.
// With COOPER_SCREENSHOTS=DIR they leave pictures there to be looked at; of
// whatever report COOPER_REPORT names (a file of `cooper report --json`), if
// any. docs/report.png is one of them. What the page promises without a browser
// is tested beside it.
package browser
