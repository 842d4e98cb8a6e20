// Package settings reads flags, the settings file and the environment. It makes one Config of them
// for each package that has one, and adds the defaults and the checks that concern more than one
// package.
//
// A flag is declared once, with its default and a short help ([Agent.Flags]); longer explanations
// are in [Groups]. docs/cli.md is generated from both. The package starts nothing, opens no socket
// and writes no file.
package settings
