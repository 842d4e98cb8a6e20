package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// Config says which Consul to watch and how. The zero value watches the agent
// on this machine.
type Config struct {
	// Address of Consul's HTTP API: host:port, http://host:port,
	// https://host:port (a path in front of /v1 may follow) or
	// unix:///path/of/socket. Default: 127.0.0.1:8500. Without a scheme it is
	// https when TLS says anything, else http.
	Address string
	// Token is the ACL token; empty: anonymous.
	Token string
	// TokenFile holds the token instead, read again whenever it changes.
	TokenFile string
	// Datacenter, Namespace and Partition to read from; empty: those of the
	// agent asked and of the token.
	Datacenter, Namespace, Partition string
	// TLS settings for https.
	TLS consul.TLSConfig
	// AcceptWarning makes instances with a warning healthy.
	AcceptWarning bool
	// MaxConns is the greatest number of connections to Consul, at least 10;
	// default: 32.
	MaxConns int
	// WaitTime is how long a blocking query may block. After Consul lost its
	// state a query blocks that long before it tells. Default: 45 s, at most
	// 10 minutes.
	WaitTime time.Duration
	// Timeout is how long Consul may take to answer, beyond WaitTime where that
	// applies; default: 10 s.
	Timeout time.Duration
	// HoldShare and HoldMin say which losses are not believed at once: more than
	// this part of a service's instances, and at least so many, within ten
	// seconds. Defaults: 0.5 and 2. A share of 1 believes every loss.
	HoldShare float64
	HoldMin   int
	// HoldTime is how long a loss is doubted that nothing else settles while
	// Consul can be read: a second look when Consul was there all the time,
	// HAProxy's own checks, an operator. Default: 5 minutes, a few times what
	// Consul's agents take to register their services anew after the servers
	// have lost them, and short enough for an address not to belong to another
	// service yet. What is held wrongly costs little: HAProxy's checks keep
	// traffic from it.
	HoldTime time.Duration
	// SecondLook is when Consul is asked again about a loss; default: 1 s.
	SecondLook time.Duration
	// Initial is what an earlier run knew. It is served until Consul answers,
	// marked as not confirmed.
	Initial lb.Snapshot
	// Logger logs state changes; default: nothing is logged.
	Logger *slog.Logger
}

const (
	defaultMaxConns = 32
	defaultWait     = 45 * time.Second
	defaultTimeout  = 10 * time.Second

	defaultHoldShare  = 0.5
	defaultHoldMin    = 2
	defaultHoldTime   = 5 * time.Minute
	defaultSecondLook = time.Second
	// maxWait is the maximum duration of a blocking query in Consul.
	maxWait = 10 * time.Minute
	// Of MaxConns, fetchConns are for requests that answer at once, and catalogConns
	// for the queries over the whole catalog. reservedConns is more than their sum:
	// for Consul, a connection that is being closed still counts.
	fetchConns    = 4
	catalogConns  = 3
	reservedConns = 9
	minConns      = 10
)

// withDefaults sets the defaults, and reports invalid settings.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	if cfg.WaitTime == 0 {
		cfg.WaitTime = defaultWait
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.HoldShare = cmp.Or(cfg.HoldShare, defaultHoldShare)
	cfg.HoldMin = cmp.Or(cfg.HoldMin, defaultHoldMin)
	cfg.HoldTime = cmp.Or(cfg.HoldTime, defaultHoldTime)
	cfg.SecondLook = cmp.Or(cfg.SecondLook, defaultSecondLook)
	switch {
	case cfg.HoldShare < 0 || cfg.HoldShare > 1:
		return cfg, fmt.Errorf("the hold share %v is not between 0 and 1", cfg.HoldShare)
	case cfg.HoldMin < 0 || cfg.HoldTime < 0 || cfg.SecondLook < 0:
		return cfg, errors.New("the hold minimum, the hold time or the second look is negative")
	case cfg.MaxConns < minConns:
		return cfg, fmt.Errorf("maximum connections is %d, at least %d are necessary", cfg.MaxConns, minConns)
	case cfg.WaitTime < 0 || cfg.WaitTime > maxWait:
		return cfg, fmt.Errorf("the wait time %v is not between 0 and %v", cfg.WaitTime, maxWait)
	case cfg.Timeout < 0:
		return cfg, errors.New("the timeout is negative")
	}
	return cfg, nil
}

func (cfg Config) server() consul.Config {
	return consul.Config{
		Address: cfg.Address, Token: cfg.Token, TokenFile: cfg.TokenFile,
		Datacenter: cfg.Datacenter, Namespace: cfg.Namespace, Partition: cfg.Partition,
		TLS: cfg.TLS, MaxConns: cfg.MaxConns,
	}
}
