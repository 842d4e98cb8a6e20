package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"thalassa/client"
)

// enoughError ends a stream that has told what was wanted.
type enoughError struct{}

// Error says so.
func (enoughError) Error() string { return "enough" }

func newTop(env environment) *cobra.Command {
	r := &remote{env: env}
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show live traffic and the state of members",
		Long: `Shows live figures of frontends, backends and members. With --once, or when the output
is not a terminal, the command prints the figures once.

  n r e t             sort by name, requests, errors, response time
  /                   search: only what holds the text is shown; Esc shows all again
  m                   show or hide members
  arrows PgUp PgDn    scroll, as do k, j, b and the space bar
  Home End            first and last lines, as do g and G
  q                   quit

MS is HAProxy's mean response time of the last 1024 requests, in whole milliseconds.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			if !once {
				if t := openTerminal(env.Stdin, env.exact); t != nil {
					defer t.restore()
					return ended(cmd.Context(), runTop(cmd.Context(), c, t, env))
				}
			}
			return printTop(cmd.Context(), c, env)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "one screen of figures instead of a live view")
	r.agentFlags(cmd)
	return cmd
}

// topTopics are what is shown.
func topTopics() []string { return []string{"status", "frontends", "backends", "stat"} }

// printTop prints one screen as it is, once everything is known.
func printTop(ctx context.Context, c *client.Client, env environment) error {
	s := newScreen()
	missing := map[string]bool{}
	for _, topic := range topTopics() {
		missing[topic] = true
	}
	err := c.Stream(ctx, topTopics(), nil, func(f client.Frame) error {
		if f.Type == "lost" {
			return errors.New("the agent closed the connection: " + f.Message)
		}
		if err := s.take(f); err != nil {
			return err
		}
		// The statistics are last, and may come in pieces; the next tick comes after them.
		if f.Type == "state" && f.Topic != "stat" || f.Type == "delta" && f.Topic == "stat" && !f.Continues {
			delete(missing, f.Topic)
		}
		if len(missing) == 0 {
			return enoughError{}
		}
		return nil
	})
	if !errors.Is(err, enoughError{}) {
		if err == nil {
			err = ctx.Err()
		}
		return err
	}
	for _, l := range s.lines(0, 0) {
		if _, err := fmt.Fprintln(env.Stdout, l.text); err != nil {
			return err
		}
	}
	return nil
}

// runTop draws until somebody types q or ctx ends.
func runTop(ctx context.Context, c *client.Client, t *terminal, env environment) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resized, stop := env.notify(syscall.SIGWINCH)
	defer stop()
	frames, ended := make(chan client.Frame), make(chan error, 1)
	go func() {
		ended <- c.Stream(ctx, topTopics(), nil, func(f client.Frame) error {
			select {
			case frames <- f:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	s, keys := newScreen(), t.keys()
	for {
		select {
		case f := <-frames:
			if err := s.take(f); err != nil {
				return err
			}
		case k := <-keys:
			if !s.press(k) {
				return nil
			}
		case <-resized:
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
		t.draw(s.lines(t.size()))
	}
}
