package main

import (
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newAgent(env environment) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the node agent",
		Long: `Runs the node agent of a load balancer until it is told to stop (SIGTERM, SIGINT).
HAProxy goes on then: the next agent takes it over.

Every flag is also a key of the settings file (--config). The camelCase names of
the original Thalassa are accepted.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.load(cmd, env); err != nil {
				return err
			}
			log := newLogger(env.stderr, s.logFormat, s.debug)
			if env.getenv("GOGC") == "" {
				debug.SetGCPercent(50) // on a load balancer, memory is dearer than the little time that this takes
			}
			n := node{settings: s, log: log, consulToken: env.getenv("CONSUL_HTTP_TOKEN")}
			return ended(cmd.Context(), n.run(cmd.Context()))
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// load completes the settings from the file, if there is one, and checks them.
func (s *settings) load(cmd *cobra.Command, env environment) error {
	s.runDirs.user = env.getenv("XDG_RUNTIME_DIR")
	if s.file != "" {
		if err := loadFile(cmd.Flags(), s.file); err != nil {
			return err
		}
	}
	return s.check()
}

func newLogger(w io.Writer, format string, debug bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if debug {
		options.Level = slog.LevelDebug
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// newSweep is the janitor of `thalassa dev`.
func newSweep(env environment) *cobra.Command {
	return &cobra.Command{
		Use:    "sweep DIR",
		Short:  "Wait for the end of standard input, then clear a demo's folder away",
		Hidden: true,
		Args:   arguments,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := sweep(env.stdin, args[0]); err != nil {
				return fmt.Errorf("clearing away: %w", err)
			}
			return nil
		},
	}
}
