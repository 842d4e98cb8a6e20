package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
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

// live owns what the other nodes do now, as Consul has it below live/, and has them answer the
// challenges of this one.
type live struct {
	kv      *kv
	session *session
	tokens  *tokens
	freed   func() // called when another node has given back a lock

	changed wake.Signal // what other nodes serve, and the session
	answer  wake.Poke   // there may be other answers to give

	mu      sync.Mutex
	locks   map[string]poolLock        // of other sessions, by identity
	answers map[string]string          // of other nodes, by token
	served  map[string]map[string]bool // the tokens that other nodes answer, by their sessions

	told nodeAnswers // used by answerOthers alone
}

// A poolLock is a lock of another session.
type poolLock struct {
	node string
	// orders: the node makes an order, and does not only look.
	orders bool
}

// nodeAnswers are what this node has last said that it answers, in a session.
type nodeAnswers struct {
	in     *poolSession // nil: it has said nothing
	tokens string
}

// follow keeps up with locks, answers and nodes until ctx ends.
func (l *live) follow(ctx context.Context) {
	l.kv.follow(ctx, l.kv.keys.live(), "reading what other nodes do", func(pairs []consul.Pair) error {
		own := l.session.last()
		locks, answers, served := map[string]poolLock{}, map[string]string{}, map[string]map[string]bool{}
		foreign := 0
		for _, pair := range pairs {
			kind, name, _ := strings.Cut(strings.TrimPrefix(pair.Key, l.kv.keys.live()), "/")
			id, identity, _ := strings.Cut(name, "/")
			isOwn := own != nil && pair.Session == own.id
			switch {
			case kind == "lock" && id == l.kv.Seal.ID() && pair.Session != "" && !isOwn:
				node, isLook := strings.CutPrefix(errorText(errors.New(string(pair.Value))), looking)
				locks[identity] = poolLock{node: node, orders: !isLook}
			case kind == "answers" && id == l.kv.Seal.ID():
				openAnswers(l.kv.Seal, pair, answers)
			case kind == "node" && pair.Session != "" && !isOwn:
				if tokens, ok := openNode(l.kv.Seal, pair); ok {
					served[pair.Session] = tokens
				} else {
					foreign++
				}
			}
		}
		l.mu.Lock()
		isFreed := false
		for identity := range l.locks {
			if _, isThere := locks[identity]; !isThere {
				isFreed = true
			}
		}
		l.locks, l.answers, l.served = locks, answers, served
		l.mu.Unlock()
		l.wake()
		if isFreed {
			l.freed()
		}
		if foreign > 0 {
			return fmt.Errorf("%d nodes have another key than this one, and order on their own", foreign)
		}
		return nil
	})
}

// wake has everything looked at again that depends on the session or on other nodes.
func (l *live) wake() {
	l.changed.Broadcast()
	l.answer.Send()
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
func (l *live) answerOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.answer:
		case <-l.again():
		}
		l.mu.Lock()
		answers := l.answers
		l.mu.Unlock()
		err := l.tokens.setOthers(ctx, answers)
		if ctx.Err() != nil {
			return
		}
		l.kv.note("answering the challenges of other nodes", err)
		if err == nil {
			l.tellServed(ctx, slices.Sorted(maps.Keys(answers)))
		}
	}
}

// again is when HAProxy is told again; nil: there is nothing to tell.
func (l *live) again() <-chan time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.session.last(); len(l.answers) == 0 && now != nil && l.told.in == now {
		return nil
	}
	return time.After(answerAgain)
}

// tellServed lets the other nodes know which of their challenges are answered here.
func (l *live) tellServed(ctx context.Context, tokens []string) {
	s, err := l.session.current()
	if err != nil {
		return
	}
	told := nodeAnswers{s, strings.Join(tokens, " ")}
	if l.told == told {
		return
	}
	data, err := json.Marshal(sealedNode{l.kv.Node, tokens})
	if err != nil {
		return
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	key := l.kv.keys.node(s.id)
	isHeld, err := l.kv.sessions.Hold(asking, s.id, key, l.kv.Seal.Seal(key, data))
	if err != nil || !isHeld {
		return // tried again
	}
	l.told = told
}

// offer has all nodes answer the tokens of an order; none: no longer. It returns when they
// do, or the time for that is over.
func (l *live) offer(ctx context.Context, identity string, tokens map[string]string) error {
	s, err := l.session.current()
	if err != nil {
		return err
	}
	key := l.kv.keys.answers(identity)
	write := consul.Write{Key: key, Anyway: true}
	if len(tokens) > 0 {
		data, err := json.Marshal(tokens)
		if err != nil {
			return err
		}
		write.Value = l.kv.Seal.Seal(key, data)
	}
	asking, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if _, err := l.kv.sessions.Write(asking, s.id, l.kv.keys.lock(identity), write); err != nil {
		return &waitError{text: "having the other nodes answer the challenge: " + diagnosed(err).Error()}
	}
	if len(tokens) == 0 {
		return nil
	}
	waiting, cancelWait := context.WithTimeout(ctx, answersTime)
	defer cancelWait()
	for {
		changed := l.changed.Next()
		silent := l.silent(tokens)
		if silent == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-waiting.Done():
			l.kv.logger.WarnContext(ctx, "other nodes do not say that they answer the challenge", "nodes", silent)
			return ctx.Err()
		}
	}
}

// silent is how many other nodes do not answer all of these tokens.
func (l *live) silent(tokens map[string]string) (nodes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, served := range l.served {
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
func (l *live) withdraw(ctx context.Context, identity string) {
	if err := l.offer(ctx, identity, nil); err != nil && wake.UnlessOver(ctx, err) != nil {
		l.kv.logger.WarnContext(ctx, "other nodes still answer a challenge that is over", "error", err)
	}
}

// elsewhere is the node that makes an order now; empty: none but this one does.
func (l *live) elsewhere(identity string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock := l.locks[identity]; lock.orders {
		return lock.node
	}
	return ""
}
