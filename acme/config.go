package acme

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// A Store keeps documents by key, and the intent with what is to be ordered.
type Store interface {
	SaveOrder(ctx context.Context, key string, doc []byte) error
	DeleteOrder(ctx context.Context, key string) error
	LoadOrders(ctx context.Context) (map[string][]byte, error)
	// Load is what operators asked for. Wait returns when there is a newer revision.
	Load(ctx context.Context) (lb.Intent, error)
	Wait(ctx context.Context, after uint64) error
}

// Keys keep texts in PEM by the SHA-256 of the text.
type Keys interface {
	Put(texts map[string][]byte) error
	Text(digest string) ([]byte, error)
	Has(digest string) bool
}

// A Web answers HTTP-01 challenges.
type Web interface {
	// Answer has exactly these tokens answered, each with its text, from now on.
	Answer(ctx context.Context, tokens map[string]string) error
	// Reach returns addresses of this node at which the answers can be tried. An error says
	// why nothing answers here.
	Reach(ctx context.Context) ([]netip.AddrPort, error)
}

// A Journal takes events.
type Journal interface{ Note(e activity.Event) }

// A Binding is an account that somebody has with the operator of a server (external account
// binding).
type Binding struct {
	KeyID string
	Key   func() ([]byte, error) // the HMAC key, read when it is used
}

// Config is what an Issuer needs. Store, Keys and Web are required. The zero value of every
// other field is safe; its default is in parentheses.
type Config struct {
	Store Store
	Keys  Keys
	Web   Web
	// DNS are the zones in which DNS-01 challenges can be answered (none).
	DNS []Zone
	// Bindings are accounts by the URL of the server's directory (none).
	Bindings map[string]Binding
	// Directories are the only servers that may be asked (any).
	Directories []string
	// AllowLocal allows servers at loopback and link-local addresses (false).
	AllowLocal bool
	// SkipSelfCheck asks the server to try a challenge without trying it here before (false).
	SkipSelfCheck bool
	// Own are certificates that this node wants besides those of the intent (none). Their
	// events are about the agent.
	Own []lb.ACME
	// Sharing has several nodes order together (each orders on its own), and Alone says why
	// it is nil.
	Sharing *Sharing
	Alone   string
	// Journal takes events (none).
	Journal Journal
	// Now is the clock, and LookEvery how often it is looked at (time.Now, 15 s).
	Now       func() time.Time
	LookEvery time.Duration
	// Chance is a random time from 0 up to, and without, the one given (at random).
	Chance func(time.Duration) time.Duration
	// BeforeStep is told each step of an order before it is made (nothing). It is for tests.
	BeforeStep func(step string)
	// Logger (discards).
	Logger *slog.Logger
}
