package acme

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"thalassa/internal/safefile"
)

// A Hook is a Provider that asks an HTTP server to change records. The server gets POST requests
// with the JSON {"action": "add"|"remove", "name": NAME, "value": VALUE}, and answers with a status
// of 200 to 299 once that is done.
type Hook struct {
	URL string
	// TokenFile has the bearer token of the requests; empty: none is sent. It is read for
	// each.
	TokenFile string
}

// Add implements Provider.
func (h Hook) Add(ctx context.Context, name, value string) error {
	return h.post(ctx, "add", name, value)
}

// Remove implements Provider.
func (h Hook) Remove(ctx context.Context, name, value string) error {
	return h.post(ctx, "remove", name, value)
}

func (h Hook) post(ctx context.Context, action, name, value string) error {
	body, err := json.Marshal(map[string]string{"action": action, "name": name, "value": value})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.TokenFile != "" {
		token, err := h.token()
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true, ResponseHeaderTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	client := &http.Client{
		Transport: transport, Timeout: stepTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // which would get the token
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the hook: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only for people
		return fmt.Errorf("the hook answers %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

func (h Hook) token() (string, error) {
	data, err := safefile.Read(h.TokenFile, maxKeyFile)
	if err != nil {
		return "", fmt.Errorf("tokenFile: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("tokenFile: %s has no token on one line", h.TokenFile)
	}
	return token, nil
}

// Check refuses what can never work. The error names the field.
func (h Hook) Check() error {
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return errors.New("hook: is not a URL, expected https://host/path")
	}
	if u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" && u.Hostname() != "localhost" {
		return errors.New("hook: is not https, which only a server on this machine may be")
	}
	if h.TokenFile == "" {
		return nil
	}
	_, err = h.token()
	return err
}
