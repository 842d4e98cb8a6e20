package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"thalassa/statsock"
)

// A rule of haproxy.cfg answers HTTP-01 challenges from a map. A new worker reads the file of the
// map; a running one gets changes over the stats socket. The file stays as long as haproxy.cfg may
// name it, because HAProxy does not start without it.

// mapPerm lets HAProxy read the map as any user: the answers are public.
const mapPerm = 0o644

// maxAnswers bounds the answers of a map.
const maxAnswers = 2000

// ChallengeMap is the path of the map for a Process with that ConfigPath.
func ChallengeMap(configPath string) string {
	if absolute, err := filepath.Abs(configPath); err == nil {
		configPath = absolute
	}
	return configPath + ".challenges"
}

// challenges write the map.
type challenges struct {
	cfg    *Config
	router *router

	mu sync.Mutex // held while a map is written and told
}

// AnswerChallenges makes HAProxy answer exactly these tokens of HTTP-01 challenges, each with its
// text, from now on and after a reload. A HAProxy that does not run, or has no rule for challenges
// yet, is no error: it reads the file. Tokens and texts must be words of letters, digits, "-", "_"
// and ".".
func (c *Certificates) AnswerChallenges(ctx context.Context, tokens map[string]string) error {
	if err := c.challenges.answer(ctx, tokens); err != nil {
		return fmt.Errorf("answering challenges: %w", err)
	}
	return nil
}

func (c *challenges) answer(ctx context.Context, tokens map[string]string) error {
	if len(tokens) > maxAnswers {
		return fmt.Errorf("there are %d challenges, expected at most %d", len(tokens), maxAnswers)
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		if !isAnswerWord(name) || !isAnswerWord(tokens[name]) {
			return errors.New("a token or its text is not a word")
		}
		fmt.Fprintf(&text, "%s %s\n", name, tokens[name])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	path := ChallengeMap(c.cfg.ConfigPath)
	if text.Len() == 0 {
		if is, err := c.cfg.disk.exists(path); err != nil || !is {
			return err // nothing names it yet
		}
	}
	if !c.cfg.disk.hasContent(path, text.Bytes()) {
		if err := c.cfg.disk.replaceMap(path, text.Bytes(), c.cfg.User); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := c.tell(ctx, path, tokens)
	if statsock.NotListening(err) || errors.Is(err, errNoMap) {
		return nil
	}
	return err
}

func isAnswerWord(s string) bool {
	return s != "" && len(s) <= 1000 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.'
	})
}

// errNoMap says that the worker has no rule for challenges.
var errNoMap = errors.New("haproxy has not loaded the map of challenges")

// tell changes the map of the worker that serves until it is as wanted. A reload meanwhile
// gives another worker, which has read the file.
func (c *challenges) tell(ctx context.Context, path string, tokens map[string]string) error {
	for n := 0; ; n++ {
		session, err := c.router.client(ctx).Begin(ctx)
		if err != nil {
			return err
		}
		done, err := tellWorker(ctx, session, path, tokens)
		session.End()
		switch {
		case errors.Is(err, statsock.ErrWorkerGone) && n < maxAttempts:
		case err != nil || done:
			return err
		case n >= maxAttempts:
			return errors.New("another program changes the map of challenges")
		}
	}
}

// tellWorker changes the map of one worker, unless it is as wanted.
func tellWorker(ctx context.Context, session *statsock.Session, path string, tokens map[string]string) (done bool, err error) {
	answers, err := session.Do(ctx, "show map "+path)
	if err != nil {
		return false, err
	}
	if strings.HasPrefix(answers[0], "Unknown map") {
		return false, errNoMap
	}
	has := map[string]string{}
	for line := range strings.Lines(answers[0]) {
		if words := strings.Fields(line); len(words) == 3 {
			has[words[1]] = words[2]
		}
	}
	if maps.Equal(has, tokens) {
		return true, nil
	}
	var commands []string
	for name, text := range has {
		if tokens[name] != text {
			commands = append(commands, "del map "+path+" "+name)
		}
	}
	for name, text := range tokens {
		if has[name] != text {
			commands = append(commands, "add map "+path+" "+name+" "+text)
		}
	}
	_, err = session.DoAll(ctx, commands...)
	return false, err
}

// ensureMap makes an empty map where a configuration names one that is not there.
func (c *Config) ensureMap(config []byte) error {
	path := ChallengeMap(c.ConfigPath)
	if !bytes.Contains(config, []byte(path)) {
		return nil
	}
	is, err := c.disk.exists(path)
	if err != nil || is {
		return err
	}
	return c.disk.replaceMap(path, nil, c.User)
}

// replaceMap replaces the map atomically and durably.
func (d *disk) replaceMap(path string, content []byte, owner *User) error {
	return d.replaceBy(path, func() (string, error) { return writeTempAs(path, content, mapPerm, owner) })
}

// ensureInstalledMap is ensureMap for the file on disk, before HAProxy starts with it.
func (f *configFiles) ensureInstalledMap() error {
	config, err := f.read(f.cfg.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.cfg.ensureMap(config)
}
