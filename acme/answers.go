package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/consul"
	"thalassa/internal/wake"
)

// A sealedNode is what a node tells the others of itself.
type sealedNode struct {
	Node   string   `json:"node"`
	Tokens []string `json:"tokens"` // those that its HAProxy answers for other nodes
}

// Bounds of what other nodes have answered here.
const (
	maxOthers    = 1000
	maxKeyAnswer = 500 // bytes
	// answersTime bounds the wait for the other nodes to answer a challenge. One that does
	// not is left to the server to meet.
	answersTime = 15 * time.Second
)

// followLive keeps up with locks, answers and nodes until ctx ends.
func (p *pool) followLive(ctx context.Context) {
	p.follow(ctx, p.keys.live(), "reading what other nodes do", func(pairs []consul.Pair) error {
		p.mu.Lock()
		own := p.session
		p.mu.Unlock()
		locks, answers, served := map[string]poolLock{}, map[string]string{}, map[string]map[string]bool{}
		foreign := 0
		for _, pair := range pairs {
			kind, name, _ := strings.Cut(strings.TrimPrefix(pair.Key, p.keys.live()), "/")
			id, identity, _ := strings.Cut(name, "/")
			isOwn := own != nil && pair.Session == own.id
			switch {
			case kind == "lock" && id == p.cfg.Seal.ID() && pair.Session != "" && !isOwn:
				node, isLook := strings.CutPrefix(errorText(errors.New(string(pair.Value))), looking)
				locks[identity] = poolLock{node: node, orders: !isLook}
			case kind == "answers" && id == p.cfg.Seal.ID():
				openAnswers(p.cfg.Seal, pair, answers)
			case kind == "node" && pair.Session != "" && !isOwn:
				if tokens, ok := openNode(p.cfg.Seal, pair); ok {
					served[pair.Session] = tokens
				} else {
					foreign++
				}
			}
		}
		p.mu.Lock()
		isFreed := false
		for identity := range p.locks {
			if _, isThere := locks[identity]; !isThere {
				isFreed = true
			}
		}
		p.locks, p.answers, p.served = locks, answers, served
		p.mu.Unlock()
		p.changed.Broadcast()
		p.answer.Send()
		if isFreed {
			p.i.forgetWaits()
		}
		if foreign > 0 {
			return fmt.Errorf("%d nodes have another key than this one, and order on their own", foreign)
		}
		return nil
	})
}

// openAnswers adds the answers of a key. Those that are none are left out.
func openAnswers(seal Sealer, pair consul.Pair, to map[string]string) {
	data, err := seal.Open(pair.Key, pair.Value)
	var found map[string]string
	if err != nil || json.Unmarshal(data, &found) != nil {
		return // forged, or of another version: the server finds no answer here
	}
	for name, text := range found {
		if isToken(name) && isAnswer(text) && len(to) < maxOthers {
			to[name] = text
		}
	}
}

// isAnswer reports whether a text is a token and a digest: it becomes a part of a command
// for HAProxy.
func isAnswer(text string) bool {
	name, digest, ok := strings.Cut(text, ".")
	return ok && len(text) <= maxKeyAnswer && isToken(name) && isToken(digest)
}

// openNode is what a node answers.
func openNode(seal Sealer, pair consul.Pair) (tokens map[string]bool, ok bool) {
	data, err := seal.Open(pair.Key, pair.Value)
	var found sealedNode
	if err != nil || json.Unmarshal(data, &found) != nil {
		return nil, false
	}
	tokens = map[string]bool{}
	for _, name := range found.Tokens {
		tokens[name] = true
	}
	return tokens, true
}

// answerOthers has this node's HAProxy give the answers of other nodes, whatever worker
// takes over, and tells them that it does.
func (p *pool) answerOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.answer:
		case <-p.again():
		}
		p.mu.Lock()
		answers := p.answers
		p.mu.Unlock()
		err := p.i.tokens.setOthers(ctx, answers)
		if ctx.Err() != nil {
			return
		}
		p.note("answering the challenges of other nodes", err)
		if err == nil {
			p.tellServed(ctx, slices.Sorted(maps.Keys(answers)))
		}
	}
}

// again is when HAProxy is told again; nil: there is nothing to tell.
func (p *pool) again() <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) == 0 && p.told != "" {
		return nil
	}
	return time.After(answerAgain)
}

// tellServed lets the other nodes know which of their challenges are answered here.
func (p *pool) tellServed(ctx context.Context, tokens []string) {
	s, err := p.current()
	if err != nil {
		return
	}
	told := "answers " + strings.Join(tokens, " ")
	p.mu.Lock()
	isTold := p.told == told
	p.mu.Unlock()
	if isTold {
		return
	}
	data, err := json.Marshal(sealedNode{p.cfg.Node, tokens})
	if err != nil {
		return
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	key := p.keys.node(s.id)
	isHeld, err := p.sessions.Hold(asking, s.id, key, p.cfg.Seal.Seal(key, data))
	if err != nil || !isHeld {
		return // tried again
	}
	p.mu.Lock()
	if p.session == s {
		p.told = told
	}
	p.mu.Unlock()
}

// offer has all nodes answer the tokens of an order; none: no longer. It returns when they
// do, or the time for that is over.
func (p *pool) offer(ctx context.Context, identity string, tokens map[string]string) error {
	s, err := p.current()
	if err != nil {
		return err
	}
	key := p.keys.answers(identity)
	write := consul.Write{Key: key, Anyway: true}
	if len(tokens) > 0 {
		data, err := json.Marshal(tokens)
		if err != nil {
			return err
		}
		write.Value = p.cfg.Seal.Seal(key, data)
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if _, err := p.sessions.Write(asking, s.id, p.keys.lock(identity), write); err != nil {
		return &waitError{text: "having the other nodes answer the challenge: " + diagnosed(err).Error()}
	}
	if len(tokens) == 0 {
		return nil
	}
	waiting, cancelWait := context.WithTimeout(ctx, answersTime)
	defer cancelWait()
	for {
		changed := p.changed.Next()
		silent := p.silent(tokens)
		if silent == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-waiting.Done():
			p.logger.WarnContext(ctx, "other nodes do not say that they answer the challenge", "nodes", silent)
			return ctx.Err()
		}
	}
}

// silent is how many other nodes do not answer all of these tokens.
func (p *pool) silent(tokens map[string]string) (nodes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, served := range p.served {
		for name := range tokens {
			if !served[name] {
				nodes++
				break
			}
		}
	}
	return nodes
}

// withdraw has no node answer for an order any more.
func (p *pool) withdraw(ctx context.Context, identity string) {
	if err := p.offer(ctx, identity, nil); err != nil && wake.UnlessOver(ctx, err) != nil {
		p.logger.WarnContext(ctx, "other nodes still answer a challenge that is over", "error", err)
	}
}
