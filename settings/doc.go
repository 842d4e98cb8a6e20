// Package settings reads what the program is told from outside: flags, the settings
// file and the environment. It turns them into one Config for each package that
// takes some, with the defaults and the checks that no single package can make.
//
// A flag is declared once, with its default and a short help ([Agent.Flags]); what
// an operator must know beyond that is beside it in [Groups], from which
// docs/cli.md is made. The package starts nothing, opens no socket and writes no file.
package settings
