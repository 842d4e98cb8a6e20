package settings

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"thalassa/internal/logqueue"
)

// logSettings are the level and the format of the log.
type logSettings struct {
	debug     bool
	logFormat string
}

// Logger returns the log that the settings ask for, written to w. [Agent.StyleLog] changes
// it while it is in use.
func (s *logSettings) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelDebug} // logHandler asks before
	h := logHandler{style: &logStyle{}, text: slog.NewTextHandler(w, options), json: slog.NewJSONHandler(w, options)}
	h.style.follow(s)
	return slog.New(h)
}

// QueuedLogger is like Logger, but never waits for the reader of the log. Lines that were dropped
// are logged when the log can be written again.
func (s *logSettings) QueuedLogger(w io.Writer) (*slog.Logger, *logqueue.Queue) {
	queue := logqueue.New(w)
	logger := s.Logger(queue)
	queue.OnLoss(func(lines uint64) {
		logger.Warn("log lines dropped, because they could not be written", "lines", lines)
	})
	return logger, queue
}

// StyleLog sets the level and format of a log that Logger returned, and of all logs derived from
// it, to those of these settings. Other logs stay as they are.
func (s *logSettings) StyleLog(l *slog.Logger) {
	if h, ok := l.Handler().(logHandler); ok {
		h.style.follow(s)
	}
}

// A logStyle is the level and format of a log. It may change while the log is in use.
type logStyle struct {
	level  slog.LevelVar
	asJSON atomic.Bool
}

func (l *logStyle) follow(s *logSettings) {
	level := slog.LevelInfo
	if s.debug {
		level = slog.LevelDebug
	}
	l.level.Set(level)
	l.asJSON.Store(s.logFormat == "json")
}

// A logHandler writes records as text or as JSON, as the style says now.
type logHandler struct {
	style      *logStyle
	text, json slog.Handler
}

// Enabled reports whether the style has records of this level.
func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.style.level.Level()
}

// Handle writes a record.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.style.asJSON.Load() {
		return h.json.Handle(ctx, r)
	}
	return h.text.Handle(ctx, r)
}

// WithAttrs returns a handler with further attributes.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{style: h.style, text: h.text.WithAttrs(attrs), json: h.json.WithAttrs(attrs)}
}

// WithGroup returns a handler whose further attributes are in a group.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{style: h.style, text: h.text.WithGroup(name), json: h.json.WithGroup(name)}
}
