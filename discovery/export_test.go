package discovery

import (
	"net/http"

	"thalassa/consul"
)

// NewOver makes a Watcher that sends its requests through next instead of over
// the network.
func NewOver(cfg Config, next http.RoundTripper) (*Watcher, error) {
	w, err := New(cfg)
	if err != nil {
		return nil, err
	}
	w.client, err = consul.NewWithTransport(cfg.server(), next)
	return w, err
}
