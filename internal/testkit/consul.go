package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"thalassa/dev"
)

// A ConsulAgent is a real Consul for one test. Its methods fail the test instead of returning an
// error; call them from the test's goroutine.
type ConsulAgent struct {
	// Token is sent with every request of the helpers; empty: anonymous.
	Token string

	tb      testing.TB
	config  dev.ConsulConfig
	running *dev.Consul // nil: not ours
	address string      // of one that is not ours
	client  *http.Client
}

// An Instance is a registration of a service in the agent.
type Instance struct {
	ID      string // default: Service
	Service string
	Address string // empty: the node's, 127.0.0.1
	Port    int
	Tags    []string
	Meta    map[string]string
	// Weight and WarningWeight; 0: Consul's default, 1.
	Weight, WarningWeight int
	// Status of its check: "passing" (default), "warning" or "critical".
	Status string
	// NoCheck registers it without a check; SetStatus cannot be used then.
	NoCheck bool
}

// ConsulBinary returns the path of the consul executable. THALASSA_CONSUL can name it; otherwise
// see dev.FindConsul.
func ConsulBinary(tb testing.TB) string {
	tb.Helper()
	Needs(tb, "Consul")
	binary, err := dev.FindConsul(os.Getenv("THALASSA_CONSUL"))
	if err != nil {
		Missing(tb, err.Error())
	}
	return binary
}

// Consul starts a Consul agent in development mode that ends with the test.
// The fragments are added to its configuration.
func Consul(tb testing.TB, hcl ...string) *ConsulAgent {
	tb.Helper()
	return startConsul(tb, dev.ConsulConfig{Binary: ConsulBinary(tb), HCL: hcl})
}

// DurableConsul is like Consul, but the server keeps its state over restarts.
func DurableConsul(tb testing.TB) *ConsulAgent {
	tb.Helper()
	return startConsul(tb, dev.ConsulConfig{Binary: ConsulBinary(tb), DataDir: tb.TempDir(), Durable: true, ServerPort: Port(tb)})
}

func startConsul(tb testing.TB, config dev.ConsulConfig) *ConsulAgent {
	tb.Helper()
	c := &ConsulAgent{tb: tb, config: config, client: oneRequestClient(nil)}
	c.StartAgain()
	tb.Cleanup(func() { c.running.Kill() })
	_, port, err := net.SplitHostPort(c.Address())
	if err != nil {
		tb.Fatal(err)
	}
	if c.config.HTTPPort, err = strconv.Atoi(port); err != nil {
		tb.Fatal(err)
	}
	return c
}

// ConsulAt is a Consul that runs already, at an address that dial connects to. It cannot be killed,
// stopped or restarted here.
func ConsulAt(tb testing.TB, address string, dial func(ctx context.Context, network, address string) (net.Conn, error)) *ConsulAgent {
	tb.Helper()
	return &ConsulAgent{tb: tb, address: address, client: oneRequestClient(dial)}
}

// oneRequestClient keeps no connections, since they could lead to a killed agent.
func oneRequestClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// Address is host:port of the HTTP API; it stays the same over restarts.
func (c *ConsulAgent) Address() string {
	if c.running == nil {
		return c.address
	}
	return c.running.Address()
}

// PID of the agent that runs now or ran last.
func (c *ConsulAgent) PID() int { return c.running.PID() }

// Kill ends the agent as a crash would. Its port refuses connections then.
func (c *ConsulAgent) Kill() {
	c.tb.Helper()
	c.running.Kill()
}

// Stop ends the agent in order.
func (c *ConsulAgent) Stop() {
	c.tb.Helper()
	if err := c.running.Stop(context.WithoutCancel(c.tb.Context())); err != nil {
		c.tb.Fatal(err)
	}
}

// StartAgain starts the agent on the port it had. It has lost all state, unless it
// is durable.
func (c *ConsulAgent) StartAgain() {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.tb.Context()), time.Minute)
	defer cancel()
	var err error
	if c.running, err = dev.StartConsul(ctx, c.config); err != nil {
		c.tb.Fatal(err)
	}
}

// Restart is Kill and StartAgain.
func (c *ConsulAgent) Restart() {
	c.tb.Helper()
	c.Kill()
	c.StartAgain()
}

// Register registers an instance with a check that has its Status until
// SetStatus changes it. An instance of the same ID is replaced.
func (c *ConsulAgent) Register(in Instance) {
	c.tb.Helper()
	if in.ID == "" {
		in.ID = in.Service
	}
	if in.Status == "" {
		in.Status = "passing"
	}
	body := map[string]any{
		"ID": in.ID, "Name": in.Service, "Address": in.Address, "Port": in.Port, "Tags": in.Tags, "Meta": in.Meta,
		"Weights": map[string]int{"Passing": max(1, in.Weight), "Warning": max(1, in.WarningWeight)},
	}
	if !in.NoCheck {
		body["Check"] = map[string]any{"CheckID": "service:" + in.ID, "TTL": "24h", "Status": in.Status}
	}
	c.Do(http.MethodPut, "/v1/agent/service/register?replace-existing-checks=true", body)
}

// Deregister removes an instance by its ID.
func (c *ConsulAgent) Deregister(id string) {
	c.tb.Helper()
	c.Do(http.MethodPut, "/v1/agent/service/deregister/"+id, nil)
}

// SetStatus changes the check of an instance to passing, warning or critical.
func (c *ConsulAgent) SetStatus(id, status string) {
	c.tb.Helper()
	c.Do(http.MethodPut, "/v1/agent/check/update/service:"+id, map[string]string{"Status": status})
}

// SetMaintenance puts an instance into maintenance mode or out of it; an empty
// id means the whole node.
func (c *ConsulAgent) SetMaintenance(id string, on bool) {
	c.tb.Helper()
	path := "/v1/agent/service/maintenance/" + id
	if id == "" {
		path = "/v1/agent/maintenance"
	}
	c.Do(http.MethodPut, path+"?enable="+strconv.FormatBool(on), nil)
}

// Do sends one request to the agent's HTTP API, body as JSON unless it is nil,
// and returns the answer's body. Any answer but a 200 fails the test.
func (c *ConsulAgent) Do(method, path string, body any) []byte {
	c.tb.Helper()
	status, answer := c.Try(method, path, body)
	if status != http.StatusOK {
		c.tb.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// Try is Do for answers that may be no 200; it returns the status.
func (c *ConsulAgent) Try(method, path string, body any) (int, []byte) {
	c.tb.Helper()
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			c.tb.Fatal(err)
		}
		payload = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.tb.Context()), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Address()+path, payload)
	if err != nil {
		c.tb.Fatal(err)
	}
	if c.Token != "" {
		req.Header.Set("X-Consul-Token", c.Token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.tb.Fatal(err)
	}
	return resp.StatusCode, answer
}
