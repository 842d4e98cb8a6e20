package dev

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// Limits of a Load.
const (
	MaxLoadRate = 200       // requests per second
	MaxLoadTime = time.Hour // how long it lasts

	loadClients = 16 // requests under way at most
	loadTimeout = 5 * time.Second
	loadBody    = 64 << 10 // bytes of an answer that are read
)

// A Load sends GET requests to an address on loopback, at a constant rate. It does not
// send a request while 16 are under way, so that a slow server gets fewer.
type Load struct {
	Address netip.AddrPort
	Rate    int           // requests per second, 1 to MaxLoadRate
	For     time.Duration // at most MaxLoadTime, which is also what 0 means
}

// Run sends requests until the time of the load is over or ctx ends. Their results are not
// reported, since HAProxy counts them. The errors are about the load itself.
func (l Load) Run(ctx context.Context) error {
	switch {
	case !l.Address.Addr().IsLoopback():
		return fmt.Errorf("sending load to %s: it is no loopback address", l.Address)
	case l.Rate < 1 || l.Rate > MaxLoadRate:
		return fmt.Errorf("sending load: the rate is %d a second, expected 1 to %d", l.Rate, MaxLoadRate)
	}
	if l.For <= 0 || l.For > MaxLoadTime {
		l.For = MaxLoadTime
	}
	ctx, cancel := context.WithTimeout(ctx, l.For)
	defer cancel()
	client := &http.Client{
		Timeout:   loadTimeout,
		Transport: &http.Transport{MaxConnsPerHost: loadClients, MaxIdleConnsPerHost: loadClients},
		// A redirect may lead elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	url := "http://" + l.Address.String() + "/"
	var clients errgroup.Group
	clients.SetLimit(loadClients)
	tick := time.NewTicker(time.Second / time.Duration(l.Rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return clients.Wait()
		case <-tick.C:
			clients.TryGo(func() error { return ask(ctx, client, url) })
		}
	}
}

// ask sends one request; an answer of any kind, or none, is no error.
func ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("sending load: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil // the load is there to see that
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, loadBody)) // an answer may be cut off
	return nil
}
