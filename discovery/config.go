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

// Config is which Consul to watch and how. The zero value watches the local agent.
type Config struct {
	// Address of Consul's HTTP API: host:port, http://host:port,
	// https://host:port (a path in front of /v1 may follow) or
	// unix:///path/of/socket. Default: 127.0.0.1:8500. Without a scheme it is
	// https with TLS settings, else http.
	Address string
	// Token is the ACL token; empty: anonymous.
	Token string
	// TokenFile contains the token instead. It is read again when it changes.
	TokenFile string
	// Datacenter, Namespace and Partition to read from; empty: those of the agent and
	// of the token.
	Datacenter, Namespace, Partition string
	// TLS settings for https.
	TLS consul.TLSConfig
	// AcceptWarning: instances with status warning are healthy.
	AcceptWarning bool
	// MaxConns is the maximum number of connections to Consul, at least 10; default:
	// 32.
	MaxConns int
	// WaitTime is the maximum duration of a blocking query. If Consul loses its state,
	// a query may block that long before it shows that. Default: 45 s; maximum: 10
	// minutes.
	WaitTime time.Duration
	// Timeout is the time limit of an answer, in addition to WaitTime for a blocking
	// query; default: 10 s.
	Timeout time.Duration
	// HoldShare and HoldMin select the losses that must be confirmed: more than this
	// share of a service's instances, and at least this number, within ten seconds.
	// Defaults: 0.5 and 2. With a share of 1, no loss needs confirmation.
	HoldShare float64
	HoldMin   int
	// HoldTime is how long instances are held while Consul is readable and nothing
	// confirms their loss. A second look (if Consul was never away), HAProxy's health
	// checks or an operator can confirm it earlier. Default: 5 minutes. That is several
	// times what Consul's agents need to register their services again after the
	// servers lost them, and too short for an address to belong to another service. A
	// wrong hold costs little: HAProxy's health checks keep traffic away.
	HoldTime time.Duration
	// SecondLook is the time until a loss is checked again; default: 1 s.
	SecondLook time.Duration
	// Initial is the last snapshot of an earlier run. It is used, marked as not
	// confirmed, until Consul answers.
	Initial lb.Snapshot
	// Now is the clock; default: time.Now.
	Now func() time.Time
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
	if cfg.Now == nil {
		cfg.Now = time.Now
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
