package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/dev"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/settings"
)

// devPrefix begins the name of every folder that a demo makes.
const devPrefix = "thalassa-dev-"

// The demo service has demoInstances of each version.
const (
	demoService   = "demo"
	demoLive      = "1.0.0"
	demoStaged    = "1.1.0"
	demoFaulty    = "1.2.0" // healthy for its checks, and faulty
	demoInstances = 3

	demoLoad = 50 // requests per second of --load
)

// demoFlaws are those of the faulty version.
func demoFlaws() dev.Flaws { return dev.Flaws{FailEvery: 4, Delay: 40 * time.Millisecond} }

// demo is `thalassa dev`.
type demo struct {
	env           environment
	log           *slog.Logger
	consulAddress string // empty: start one
	consulBinary  string
	haproxyBinary string
	port, apiPort int
	load          int // requests per second; 0: none
}

func newDev(env environment) *cobra.Command {
	d := demo{env: env}
	var debug bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a complete demo on this machine",
		Long: `Runs a complete demo on loopback until Ctrl-C: a Consul agent in development mode, a web
service with three versions of three instances each, HAProxy and the node agent. The demo
leaves nothing behind. Version 1.2.0 of the service answers every fourth request with
status 500.

With --load, the demo sends requests to its own frontend, for an hour at most.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelError
			if debug {
				level = slog.LevelDebug
			}
			if err := cmp.Or(settings.Port("port", d.apiPort, 0), settings.Port("web-port", d.port, 0)); err != nil {
				return mistake(cmd, "--%w", err)
			}
			if d.load < 0 || d.load > dev.MaxLoadRate {
				return mistake(cmd, "--load is %d, expected 0 to %d requests per second", d.load, dev.MaxLoadRate)
			}
			d.log = slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: level}))
			return ended(cmd.Context(), d.run(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.consulAddress, "service-reg", "", "`address` (host:port) of a running Consul, instead of a new one")
	f.StringVar(&d.consulBinary, "consul-binary", "", "Consul `executable` (default: consul, or that of make setup)")
	f.StringVar(&d.haproxyBinary, "haproxy-binary", "haproxy", "HAProxy `executable`")
	f.IntVar(&d.port, "web-port", 8080, "`port` of the frontend, or another if it is in use")
	f.IntVar(&d.apiPort, "port", 10000, "`port` of the API, or another if it is in use")
	f.IntVar(&d.load, "load", 0, fmt.Sprintf("requests `per second` to the frontend, at most %d (bare: %d)", dev.MaxLoadRate, demoLoad))
	f.Lookup("load").NoOptDefVal = strconv.Itoa(demoLoad)
	f.BoolVar(&debug, "debug", false, "the agent's log on standard error")
	return cmd
}

func (d demo) run(ctx context.Context) (err error) {
	if err := d.check(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", devPrefix)
	if err != nil {
		return fmt.Errorf("making the demo's folder: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	janitor, err := dev.StartJanitor(self, "sweep", dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { err = errors.Join(err, janitor.Close()) }()

	if d.consulAddress == "" {
		consul, err := d.startConsul(ctx)
		if err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := consul.Stop(ctx); err != nil {
				d.log.ErrorContext(ctx, "stopping consul failed", "error", err)
			}
		}()
		d.consulAddress = consul.Address()
	}
	return d.runWith(ctx, dir)
}

// check looks for what the demo does not start itself.
func (d demo) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if _, err := haproxy.New(haproxy.Config{Binary: d.haproxyBinary}).Version(ctx); err != nil {
		return fmt.Errorf("finding haproxy: %w; install it with `make setup`, or set --haproxy-binary", err)
	}
	if d.consulAddress == "" {
		return nil
	}
	_, err := discovery.Ping(ctx, discovery.Config{Address: d.consulAddress, Logger: d.log})
	return err
}

func (d demo) startConsul(ctx context.Context) (*dev.Consul, error) {
	named := d.consulBinary
	if named == "" {
		named = d.env.Getenv("THALASSA_CONSUL")
	}
	binary, err := dev.FindConsul(named)
	if err != nil {
		return nil, err
	}
	return dev.StartConsul(ctx, dev.ConsulConfig{Binary: binary, Logger: d.log})
}

// runWith runs the demo on a Consul that answers.
func (d demo) runWith(ctx context.Context, dir string) error {
	webs, services, err := demoWebs(ctx)
	if err != nil {
		return err
	}
	s, err := d.settings(ctx, dir)
	if err != nil {
		return err
	}
	registrar, err := discovery.NewRegistrar(discovery.RegistrarConfig{Address: d.consulAddress, Logger: d.log})
	if err != nil {
		return fmt.Errorf("setting up the demo's registrations: %w", err)
	}
	registrar.Set(services)

	// The demo services outlive the node, so that its last requests are answered.
	g, ctx := errgroup.WithContext(ctx)
	webCtx, stopWebs := context.WithCancel(context.WithoutCancel(ctx))
	for _, w := range webs {
		g.Go(func() error { return w.Serve(webCtx) })
	}
	g.Go(func() error { return registrar.Run(webCtx) })
	g.Go(func() error {
		defer stopWebs()
		return d.env.Agent(ctx, Node{Settings: s, Logger: d.log, Ready: func(ctx context.Context, api net.Addr, events *activity.Log) error {
			d.welcome(s, api)
			g, ctx := errgroup.WithContext(ctx)
			if d.load > 0 {
				g.Go(func() error { return d.frontendLoad().Run(ctx) })
			}
			g.Go(func() error { return d.follow(ctx, events) })
			return g.Wait()
		}})
	})
	return g.Wait()
}

// frontendLoad is what --load sends.
func (d demo) frontendLoad() dev.Load {
	port := uint16(d.port) //nolint:gosec // it is checked, or one that was free
	return dev.Load{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), Rate: d.load}
}

// demoWebs takes ports for every instance and says how to register them.
func demoWebs(ctx context.Context) ([]*dev.Web, []discovery.Registration, error) {
	var webs []*dev.Web
	var services []discovery.Registration
	for _, version := range []string{demoLive, demoStaged, demoFaulty} {
		for number := 1; number <= demoInstances; number++ {
			w, err := dev.ListenWeb(ctx, demoService, version, number)
			if err != nil {
				return nil, nil, err
			}
			if version == demoFaulty {
				w.Flaws = demoFlaws()
			}
			webs = append(webs, w)
			services = append(services, discovery.Registration{
				ID: fmt.Sprintf("%s-%s-%d", demoService, version, number), Name: demoService,
				Address: "127.0.0.1", Port: w.Port(),
				Meta:  map[string]string{"version": version, "pid": strconv.Itoa(os.Getpid())},
				Check: &discovery.Check{HTTP: fmt.Sprintf("http://127.0.0.1:%d%s", w.Port(), dev.HealthPath), Passing: true, Interval: time.Second},
			})
		}
	}
	return webs, services, nil
}

// settings of the demo's node: everything in dir and on loopback. The ports of
// d become those that are free.
func (d *demo) settings(ctx context.Context, dir string) (*settings.Agent, error) {
	statsPort := 1988
	for _, port := range []*int{&d.port, &d.apiPort, &statsPort} {
		if err := freePort(ctx, port); err != nil {
			return nil, err
		}
	}
	persistence := filepath.Join(dir, "thalassa.json")
	s, err := settings.Parse([]string{
		"--service-reg=" + d.consulAddress,
		"--port=" + strconv.Itoa(d.apiPort),
		"--haproxy-stats-bind=" + net.JoinHostPort("127.0.0.1", strconv.Itoa(statsPort)),
		"--label=dev",
		"--haproxy-binary=" + d.haproxyBinary,
		"--haproxy-log=",
		"--haproxy-socket-path=" + filepath.Join(dir, "haproxy.sock"),
		"--haproxy-pid-path=" + filepath.Join(dir, "haproxy.pid"),
		"--haproxy-cfg-path=" + filepath.Join(dir, "haproxy.cfg"),
		"--db-path=" + dir,
		"--persistence=" + persistence,
		"--stop-haproxy",
	}, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return s, writeDemo(persistence, d.port)
}

// writeDemo writes what the demo's operator asks for.
func writeDemo(path string, port int) error {
	type object map[string]any
	doc := object{
		"version": 1,
		"frontends": []object{{
			"key": "web", "bind": fmt.Sprintf("127.0.0.1:%d", port), "backend": "live",
			"rules": []object{{"type": "header", "header": "host", "operation": "hdr", "value": "staged staged.localhost", "backend": "staged"}},
		}},
		"backends": []object{
			{"key": "live", "type": "dynamic", "name": demoService, "version": demoLive},
			{"key": "staged", "type": "dynamic", "name": demoService, "version": demoStaged},
		},
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the demo's configuration: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing the demo's configuration: %w", err)
	}
	return nil
}

// freePort changes port to another one when it is taken on loopback.
func freePort(ctx context.Context, port *int) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)))
	if err != nil {
		if l, err = config.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("finding a free port: %w", err)
		}
	}
	defer l.Close()
	tcp, _ := l.Addr().(*net.TCPAddr)
	*port = tcp.Port
	return nil
}
