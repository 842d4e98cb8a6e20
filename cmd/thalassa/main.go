// Command thalassa is the node agent and the command line that talks to it.
//
// This package reads flags, settings and the environment, catches signals and
// puts the parts of the program together. It holds no decision about load
// balancing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], environment{
		program: os.Args[0], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		tokens: "/etc/thalassa/tokens",
	})
	stop()
	os.Exit(code)
}

// environment is everything the program takes from outside besides its
// arguments.
type environment struct {
	program        string // as it was called
	stdin          io.Reader
	stdout, stderr io.Writer // run makes what goes there safe to look at
	getenv         func(string) string
	// tokens is the token file of an installed agent on this node. Who may read it
	// need not name a token.
	tokens string
	// exact is standard output as it is, for bytes that must not be changed and for
	// what draws. run sets it.
	exact io.Writer
}

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, env environment) int {
	env.exact = env.stdout
	env.stdout, env.stderr = printing(env.stdout), printing(env.stderr)
	root := newRoot(env) //nolint:contextcheck // commands get ctx from ExecuteContext
	root.SetArgs(args)
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	err := root.ExecuteContext(ctx)
	if interrupted(ctx, err) {
		err = errInterrupted
	}
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintln(env.stderr, "thalassa:", describe(err))
	}
	return exitCode(err)
}

// interrupted reports whether err only says that the program was told to stop.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// ended is the result of a command that runs until it is told to stop, which is
// no error.
func ended(ctx context.Context, err error) error {
	if interrupted(ctx, err) {
		return nil
	}
	return err
}
