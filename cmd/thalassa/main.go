// Command thalassa is the node agent and the command line that talks to it.
//
// This package puts the parts of the program together, catches signals and ends the
// process with an exit code. The commands are in package cli, the flags in package
// settings. It holds no decision about load balancing.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"thalassa/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	h := newHangup(len(os.Args) > 1 && os.Args[1] == "agent", cancel)
	code := run(ctx, h, os.Args[1:], cli.Environment{
		Program: os.Args[0], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Notify: notify,
		TokenFile: "/etc/thalassa/tokens", Certificate: "/var/lib/thalassa/tls/api.crt",
	})
	cancel()
	stop()
	os.Exit(code)
}

// run is the program: it returns the exit code.
func run(ctx context.Context, h *hangup, args []string, env cli.Environment) int {
	return cli.Run(ctx, args, env, cli.Parts{
		Version: version(), CIBProgram: cibProgram(),
		Agent: func(ctx context.Context, n cli.Node) error {
			if err := crashBySignal(); err != nil {
				return err
			}
			slog.SetDefault(n.Logger) //nolint:forbidigo // for the standard library, which tells here what applications send unasked
			return node{settings: n.Settings, log: n.Logger, queue: n.Log, ready: n.Ready, hangup: h, now: time.Now, systemd: newSystemd(n.Logger)}.run(ctx)
		},
	})
}

// crashBySignal has a crash of this process end it with a signal. Go ends it with code 2 otherwise, with
// which systemd does not start the agent again. There is no core dump, which would have the keys of
// certificates; HAProxy may raise the limit for itself (set-dumpable).
func crashBySignal() error {
	debug.SetTraceback("crash")
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit)
	if err == nil {
		limit.Cur = 0
		err = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
	if err != nil {
		return fmt.Errorf("limiting core dumps: %w", err)
	}
	return nil
}

// notify sends signals to c until stop is called.
func notify(c chan<- os.Signal, signals ...os.Signal) (stop func()) {
	signal.Notify(c, signals...)
	return func() { signal.Stop(c) }
}

// cibProgram is the thalassa-cib beside this program, or the one in the PATH.
func cibProgram() string {
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "thalassa-cib")
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return "thalassa-cib"
}

// pamProgram is the thalassa-pam beside this program, or that of the package.
func pamProgram() string {
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "thalassa-pam")
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return "/usr/bin/thalassa-pam"
}

// version of the program, as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "devel" {
			v += "-" + s.Value[:12]
		}
	}
	return v
}
