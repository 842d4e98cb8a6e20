package acme

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// challenges have this node, and the others, answer what servers ask.
type challenges struct {
	tokens *tokens
	live   *live // nil: no other node answers
	zones  zones
	logger *slog.Logger
	// skipSelfCheck: answers are not tested here first.
	skipSelfCheck bool
}

// serve has HAProxy answer a token on all nodes, tries that here, and returns what ends it.
func (c *challenges) serve(ctx context.Context, identity, domain, name, text string) (withdraw func(), err error) {
	kept, end := context.WithCancel(context.WithoutCancel(ctx))
	var keeping sync.WaitGroup
	withdraw = func() {
		end()
		keeping.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if err := c.tokens.set(ctx, func(answers map[string]string) { delete(answers, name) }); err != nil {
			c.logger.WarnContext(ctx, "answer to a challenge not removed", "error", err)
		}
		if c.live != nil {
			c.live.withdraw(ctx, identity)
		}
	}
	if err := c.tokens.set(ctx, func(answers map[string]string) { answers[name] = text }); err != nil {
		return withdraw, fmt.Errorf("setting the answer in HAProxy: %w", err)
	}
	keeping.Go(func() { c.tokens.keep(kept) })
	if c.live != nil {
		if err := c.live.offer(ctx, identity, map[string]string{name: text}); err != nil {
			return withdraw, err
		}
	}
	if c.skipSelfCheck {
		return withdraw, nil
	}
	addresses, err := c.tokens.web.Reach(ctx)
	if err != nil {
		return withdraw, err
	}
	ctx, cancel := context.WithTimeout(ctx, selfCheckTime)
	defer cancel()
	for _, a := range addresses {
		if err := tryAnswer(ctx, a, domain, name, text); err != nil {
			return withdraw, err
		}
	}
	return withdraw, nil
}

// publish publishes the record of a domain, waits until the name servers have it, and
// returns what removes it.
func (c *challenges) publish(ctx context.Context, domain, value string) (withdraw func(), err error) {
	name, zone := c.zones.recordAt(domain)
	if zone == nil {
		return nil, errors.New(name + " is in no zone of the setting acme-dns")
	}
	withdraw = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if err := zone.Provider.Remove(ctx, name, value); err != nil {
			c.logger.WarnContext(ctx, "record of a challenge not removed", "name", name, "error", err)
		}
	}
	short, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	if err := zone.Provider.Add(short, name, value); err != nil {
		return withdraw, fmt.Errorf("publishing the record %s: %w", name, err)
	}
	wait := zone.Wait
	if wait <= 0 {
		wait = defaultWait
	}
	ctx, cancelWait := context.WithTimeout(ctx, wait)
	defer cancelWait()
	for _, server := range zone.Nameservers {
		if err := awaitRecord(ctx, server, name, value); err != nil {
			return withdraw, err
		}
	}
	return withdraw, nil
}
