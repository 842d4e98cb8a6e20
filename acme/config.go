package acme

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// A Store keeps documents by key, and the intent, which says what to order.
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
	// Answer sets the tokens to answer, each with its text. It replaces those before.
	Answer(ctx context.Context, tokens map[string]string) error
	// Reach returns addresses of this node at which the answers can be tested. An error says why
	// nothing answers here.
	Reach(ctx context.Context) ([]netip.AddrPort, error)
}

// A Journal takes events.
type Journal interface{ Note(e activity.Event) }

// A Binding connects the agent's account to an existing account at the operator of a server
// (external account binding, RFC 8555, 7.3.4).
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
	// SkipSelfCheck asks the server to validate a challenge without testing the answer on this node
	// first (false).
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
	// Now is the clock (time.Now), and LookEvery how often the issuer checks what is due (15 s).
	Now       func() time.Time
	LookEvery time.Duration
	// Chance returns a time from 0 up to, but not including, the one given (random).
	Chance func(time.Duration) time.Duration
	// BeforeStep is called before each step of an order (nil). It is for tests.
	BeforeStep func(step string)
	// Logger (discards).
	Logger *slog.Logger
}
