// Package cli has the commands for people, one file per command, built on cobra. It reads flags
// through package settings, uses an agent through package client, and turns the result of a command
// into an exit code.
//
// It catches no signals, reads no environment of its own and never ends the process: [Environment]
// has what a command gets from outside, and [Parts] what the program adds.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"thalassa/activity"
	"thalassa/internal/logqueue"
	"thalassa/settings"
)

// Environment is everything that the program gets from outside besides its arguments.
type Environment struct {
	Program        string // as it was called
	Stdin          io.Reader
	Stdout, Stderr io.Writer // Run makes what goes there safe to look at
	Getenv         func(string) string
	// TokenFile is the token file of an installed agent on this node. Users who may read
	// it need not name a token. Empty: there is none.
	TokenFile string
	// Certificate is the certificate that an installed agent on this node has made for
	// its API, which commands on this node trust. Empty: there is none.
	Certificate string
	// Notify sends the signals to c until stop is called; nil: none come.
	Notify func(c chan<- os.Signal, signals ...os.Signal) (stop func())
}

// Parts are what the program adds to the commands.
type Parts struct {
	Version    string // of the program
	CIBProgram string // path or name of thalassa-cib, which watches a Pacemaker cluster
	// Agent runs the node agent until ctx ends, which is not an error.
	Agent func(ctx context.Context, n Node) error
}

// A Node is what an agent is started with.
type Node struct {
	Settings *settings.Agent
	Logger   *slog.Logger
	Log      *logqueue.Queue // of Logger; nil: it has none
	// Ready runs once HAProxy runs the configuration for the first time, with the
	// address of the API and the log of activity; may be nil.
	Ready func(ctx context.Context, api net.Addr, events *activity.Log) error
}

// environment is what the commands are built from.
type environment struct {
	Environment
	Parts

	// exact is standard output as it is, for bytes that must not be changed and for
	// what draws.
	exact io.Writer
}

// notify catches signals until stop is called.
func (env environment) notify(signals ...os.Signal) (c <-chan os.Signal, stop func()) {
	caught := make(chan os.Signal, 1)
	if env.Notify == nil {
		return caught, func() {}
	}
	return caught, env.Notify(caught, signals...)
}

// Run runs the command that args name and returns its exit code. If that is not 0, Run has written
// the reason to standard error.
func Run(ctx context.Context, args []string, outside Environment, parts Parts) int {
	env := environment{Environment: outside, Parts: parts, exact: outside.Stdout}
	out := &checked{w: outside.Stdout}
	env.Stdout, env.Stderr = printing(out), printing(env.Stderr)
	root := newRoot(env) //nolint:contextcheck // commands get ctx from ExecuteContext
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if interrupted(ctx, err) {
		err = errInterrupted
	}
	if err == nil {
		err = out.err
	}
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintln(env.Stderr, "thalassa:", describe(err))
	}
	return exitCode(err)
}

// interrupted reports whether err only says that the program was told to stop.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// ended is the result of a command that runs until it is told to stop, which is
// not an error.
func ended(ctx context.Context, err error) error {
	if interrupted(ctx, err) {
		return nil
	}
	return err
}
