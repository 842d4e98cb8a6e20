package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"thalassa/consul"
	"thalassa/internal/wake"
)

// RegistrarConfig is how to reach the agent. It should be the local one: it owns the
// registrations, and runs their checks. The fields are those of Config.
type RegistrarConfig struct {
	Address              string
	Token, TokenFile     string
	Namespace, Partition string
	TLS                  consul.TLSConfig
	// Interval is the time between two checks that the agent still has all
	// registrations; default: 30 s.
	Interval time.Duration
	// Timeout of one request; default: 10 s.
	Timeout time.Duration
	// Logger logs state changes; default: nothing is logged.
	Logger *slog.Logger
}

// A Registrar keeps services registered in a Consul agent, over one connection.
// When it stops, it deregisters them, except those that are to stay.
type Registrar struct {
	client            *consul.Client
	logger            *slog.Logger
	interval, timeout time.Duration
	wanted            atomic.Pointer[[]Registration]
	due               wake.Poke // wanted was set

	// Owned by Run: what this Registrar has registered, or may have if a request
	// failed.
	registered map[string]Registration
	failures   int
}

// leaveTimeout limits the deregistration of everything at the end.
const leaveTimeout = 3 * time.Second

// NewRegistrar returns a Registrar without registrations. The error names an invalid
// setting.
func NewRegistrar(cfg RegistrarConfig) (*Registrar, error) {
	c, err := consul.New(cfg.server())
	if err != nil {
		return nil, fmt.Errorf("registering in consul: %w", err)
	}
	r := &Registrar{
		client: c, logger: cfg.Logger, interval: cfg.Interval, timeout: cfg.Timeout,
		due: wake.NewPoke(), registered: map[string]Registration{},
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	if r.interval == 0 {
		r.interval = 30 * time.Second
	}
	if r.timeout == 0 {
		r.timeout = defaultTimeout
	}
	return r, nil
}

// Follow has later requests use the token and the TLS settings of cfg. All other settings
// must be those of NewRegistrar. The error names an invalid setting; nothing has changed then.
func (r *Registrar) Follow(cfg RegistrarConfig) error { return r.client.Follow(cfg.server()) }

func (cfg RegistrarConfig) server() consul.Config {
	return consul.Config{
		Address: cfg.Address, Token: cfg.Token, TokenFile: cfg.TokenFile,
		Namespace: cfg.Namespace, Partition: cfg.Partition, TLS: cfg.TLS, MaxConns: 1,
	}
}

// Set replaces the set of registrations. Of several with the same ID, the last one
// counts. It is safe for concurrent use and takes effect while Run runs.
func (r *Registrar) Set(wanted []Registration) {
	list := make([]Registration, len(wanted))
	for i, w := range wanted {
		list[i] = w.clone()
	}
	r.wanted.Store(&list)
	r.due.Send()
}

// Run keeps the agent up to date until ctx ends, which is not an error. Then it
// deregisters what is not to stay, which may take three more seconds. A failure of
// that is logged; DeregisterCriticalAfter removes the service later. Run is called
// once.
func (r *Registrar) Run(ctx context.Context) error {
	defer r.client.Close()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	complete := false // whether to check everything in the agent
	for {
		select {
		case <-ctx.Done():
			r.leave(context.WithoutCancel(ctx))
			return nil
		case <-r.due:
		case <-alarm.C:
			complete = true
		}
		wait := r.interval
		if err := r.sync(ctx, complete); err != nil {
			r.failures++
			wait = min(backoff(r.failures, rand.Float64()), max(r.interval, minBackoff))
			if r.failures == 1 && ctx.Err() == nil {
				r.logger.WarnContext(ctx, "services are not registered in consul, trying again", "error", err)
			}
		} else if complete = false; r.failures > 0 {
			r.failures = 0
			r.logger.InfoContext(ctx, "services are registered in consul again")
		}
		alarm.Reset(wait)
	}
}

// byID returns the wanted registrations by ID.
func (r *Registrar) byID() map[string]Registration {
	wanted := map[string]Registration{}
	if list := r.wanted.Load(); list != nil {
		for _, w := range *list {
			wanted[w.ID] = w
		}
	}
	return wanted
}

// sync makes the agent's registrations equal to the wanted ones. Unless complete, it
// assumes that the agent has kept them. It tries everything, even after an error.
func (r *Registrar) sync(ctx context.Context, complete bool) error {
	wanted := r.byID()
	var lost map[string]bool
	if complete && len(wanted) > 0 {
		var err error
		if lost, err = r.lost(ctx, wanted); err != nil {
			return err
		}
	}
	var errs []error
	for id, w := range wanted {
		if held, ok := r.registered[id]; !ok || lost[id] || !held.equal(w) {
			errs = append(errs, r.register(ctx, w))
		}
	}
	for id := range r.registered {
		if _, ok := wanted[id]; !ok {
			errs = append(errs, r.deregister(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// lost returns the registrations that are missing in the agent, or differ there.
func (r *Registrar) lost(ctx context.Context, wanted map[string]Registration) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	services, err := r.client.AgentServices(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the agent's services: %w", err)
	}
	checks, err := r.client.AgentChecks(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the agent's checks: %w", err)
	}
	out := map[string]bool{}
	for id, w := range wanted {
		out[id] = !w.isHeldBy(services, checks)
	}
	return out, nil
}

func (r *Registrar) register(ctx context.Context, w Registration) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	// Until the agent confirms, the registration under this ID is unknown: it must
	// be deregistered, and differs from any wanted one.
	r.registered[w.ID] = Registration{}
	if err := r.client.Register(ctx, w.service()); err != nil {
		return fmt.Errorf("registering %s: %w", w.ID, err)
	}
	r.registered[w.ID] = w
	r.logger.InfoContext(ctx, "service registered in consul", "id", w.ID, "service", string(w.Name))
	return nil
}

// deregister removes a registration. A missing one is not an error.
func (r *Registrar) deregister(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if err := r.client.Deregister(ctx, id); err != nil {
		return fmt.Errorf("deregistering %s: %w", id, err)
	}
	delete(r.registered, id)
	r.logger.InfoContext(ctx, "service deregistered in consul", "id", id)
	return nil
}

// leave deregisters everything that is not to stay.
func (r *Registrar) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	wanted := r.byID()
	for id := range r.registered {
		if wanted[id].Stays {
			continue
		}
		if err := r.deregister(ctx, id); err != nil {
			r.logger.WarnContext(ctx, "service stays registered in consul", "error", err)
		}
	}
}
