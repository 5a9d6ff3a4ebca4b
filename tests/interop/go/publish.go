package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/pubsub"
)

const inFlight = 20000 // messages added and not answered

// What there is to publish: message i, and how many.
type source struct {
	n       int
	message func(i int) *pubsub.Message
}

func publish(ctx context.Context, words []string) (result, error) {
	c := newFlags("publish")
	n := c.Int("n", 1, "numbered messages")
	first := c.Int("first", 0, "number of the first one")
	size := c.Int("size", 100, "bytes of a message")
	lines := c.String("lines", "", "NDJSON to publish instead; a line of only data and attributes is a whole message")
	acked := c.String("acked", "", "what is answered is appended here: number, id")
	rate := c.Float64("rate", 0, "messages per second; 0: as fast as it goes")
	batch := c.Int("batch", 100, "messages")
	batchBytes := c.Int("batch-bytes", 1000000, "")
	keys := c.Int("keys", 0, "message i has ordering key i modulo so many")
	delay := c.Duration("delay", 10*time.Millisecond, "a batch that is not full is sent after this")
	_ = c.Parse(words)
	from, err := sourceOf(*lines, *first, *n, *size)
	if *keys > 0 {
		from = withKeys(from, *keys)
	}
	if err != nil {
		return nil, err
	}
	client, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	topic := client.Topic(*c.topic)
	topic.PublishSettings = pubsub.PublishSettings{CountThreshold: *batch, ByteThreshold: *batchBytes, DelayThreshold: *delay, Timeout: 60 * time.Second,
		BufferedByteLimit: 1 << 30}
	topic.EnableMessageOrdering = *keys > 0
	book, err := newAckBook(*acked)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	publishAll(ctx, topic, from, *first, *rate, book)
	took := time.Since(start).Seconds()
	return result{"published": book.ok, "failed": book.failed, "error": book.err, "distinct_ids": len(book.ids), "per_second": float64(book.ok) / took}, nil
}

func withKeys(from source, keys int) source {
	return source{from.n, func(i int) *pubsub.Message {
		m := from.message(i)
		m.OrderingKey = fmt.Sprintf("key-%d", i%keys)
		return m
	}}
}

func sourceOf(lines string, first, n, size int) (source, error) {
	if lines == "" {
		return source{n, func(i int) *pubsub.Message { return &pubsub.Message{Data: numbered(first+i, size)} }}, nil
	}
	all, err := readLines(lines)
	return source{len(all), func(i int) *pubsub.Message { return messageOf(all[i]) }}, err
}

func readLines(path string) ([][]byte, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, line := range strings.Split(string(bytes), "\n") {
		if line != "" {
			all = append(all, []byte(line))
		}
	}
	return all, nil
}

// A line as `sluice publish` reads it.
func messageOf(line []byte) *pubsub.Message {
	var whole struct {
		Data       json.RawMessage   `json:"data"`
		Attributes map[string]string `json:"attributes"`
	}
	if json.Unmarshal(line, &whole) != nil || whole.Data == nil {
		return &pubsub.Message{Data: line}
	}
	var text string
	if json.Unmarshal(whole.Data, &text) == nil {
		return &pubsub.Message{Data: []byte(text), Attributes: whole.Attributes}
	}
	return &pubsub.Message{Data: whole.Data, Attributes: whole.Attributes}
}

func publishAll(ctx context.Context, topic *pubsub.Topic, from source, first int, rate float64, book *ackBook) {
	slots := make(chan struct{}, inFlight)
	var answers sync.WaitGroup
	start := time.Now()
	for i := 0; i < from.n; i++ {
		if rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * 1e9))))
		}
		slots <- struct{}{}
		answers.Add(1)
		answer := topic.Publish(ctx, from.message(i))
		go func(number int) {
			id, err := answer.Get(ctx)
			book.put(number, id, err)
			<-slots
			answers.Done()
		}(first + i)
	}
	answers.Wait()
	topic.Stop()
	book.close()
}

// What the server has answered.
type ackBook struct {
	mu         sync.Mutex
	file       *os.File
	out        *bufio.Writer
	ids        map[string]bool
	ok, failed int
	err        string // the first one
}

func newAckBook(path string) (*ackBook, error) {
	book := &ackBook{ids: map[string]bool{}}
	if path == "" {
		return book, nil
	}
	var err error
	book.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	book.out = bufio.NewWriter(book.file)
	return book, err
}

func (b *ackBook) put(number int, id string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.failed++
		if b.err == "" {
			b.err = err.Error()
		}
		return
	}
	b.ok++
	b.ids[id] = true
	if b.out != nil {
		fmt.Fprintf(b.out, "%d %s\n", number, id)
	}
}

func (b *ackBook) close() {
	if b.out != nil {
		_ = b.out.Flush()
		_ = b.file.Close()
	}
}
