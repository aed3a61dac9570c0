// Package archtest keeps the shape of the program by ordinary tests: who may
// import whom, that every package says what it is for, which calls are
// forbidden where. The rules stand in docs/design.md; here they have teeth.
package archtest
