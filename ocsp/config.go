package ocsp

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"thalassa/lb"
)

// A Config says what a Stapler works with. Fields without a default must be set.
type Config struct {
	// Enabled: responders are asked. Otherwise only certificates that demand a response are
	// told of (false).
	Enabled bool
	// AllowLocal allows responders at loopback and link-local addresses (false).
	AllowLocal bool
	// Targets are the certificates that clients get now.
	Targets func() []lb.StapleTarget
	// Changed returns a channel that is closed when Targets may have changed.
	Changed func() <-chan struct{}
	// Text is the certificate of a target in PEM, with its chain.
	Text func(digest string) ([]byte, error)
	// HAProxy staples the responses.
	HAProxy HAProxy
	// Now is the clock (time.Now).
	Now func() time.Time
	// Chance is a random time from 0 up to, and without, the one given (at random).
	Chance func(time.Duration) time.Duration
	// LookEvery is the longest time between two looks at what is due (30 s).
	LookEvery time.Duration
	// Logger logs failures and what follows (discards).
	Logger *slog.Logger
}

// HAProxy staples responses. Its methods may be called from any goroutine.
type HAProxy interface {
	// Worker identifies the worker that serves; 0: none does.
	Worker(ctx context.Context) (int, error)
	// Staple has HAProxy staple a response in DER from now on, also after a reload or a
	// restart, and returns when a client has got it.
	Staple(ctx context.Context, t lb.StapleTarget, response []byte) error
	// Stapled is the response that HAProxy would load at its start; fs.ErrNotExist: none.
	Stapled(t lb.StapleTarget) ([]byte, error)
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Chance == nil {
		c.Chance = func(most time.Duration) time.Duration { return rand.N(max(most, 1)) }
	}
	if c.LookEvery == 0 {
		c.LookEvery = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
