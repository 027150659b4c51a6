// Chat with everybody, or privately with one.
// SPDX-License-Identifier: Apache-2.0
import type { ChatMessage, Room } from '@conclave/sdk';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { sentence } from '../messages';
import { CloseIcon, SendIcon } from '../ui/icons';

interface ChatPanelProps {
  room: Room;
  draft: string;
  onDraft: (text: string) => void;
  onClose: () => void;
}

export function ChatPanel({ room, draft, onDraft, onClose }: ChatPanelProps) {
  const [to, setTo] = useState('');
  const [error, setError] = useState<string | null>(null);
  const scroll = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const others = [...room.participants.values()].filter((p) => !p.isLocal);
  const target = others.some((p) => p.id === to) ? to : '';

  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    const box = scroll.current!;
    box.scrollTop = box.scrollHeight;
  }, [room.chat.length]);

  const send = async (e?: FormEvent) => {
    e?.preventDefault();
    const text = draft.trim();
    if (!text) return;
    setError(null);
    onDraft('');
    try {
      await room.sendChat(text, target || undefined);
    } catch (cause) {
      // Nothing typed is lost.
      onDraft(text);
      setError(sentence(cause));
    }
  };

  return (
    <aside className="panel" aria-label="Chat" data-testid="chat-panel">
      <header className="panel-head">
        <h2>Chat</h2>
        <button type="button" className="icon-button" aria-label="Close chat" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <div className="panel-scroll" ref={scroll} tabIndex={0} role="region" aria-label="Messages">
        <ol className="chat-list" data-testid="chat-list">
          {room.chat.length ? null : <li className="chat-empty">No messages yet. What is said here is gone when the meeting ends.</li>}
          {room.chat.map((m, i) => (
            <Message key={m.id} message={m} mine={m.from === room.self?.id} follows={follows(room.chat[i - 1], m)} toName={m.to ? (room.participants.get(m.to)?.name ?? 'one person') : null} />
          ))}
        </ol>
      </div>
      <form className="chat-form" onSubmit={(e) => void send(e)}>
        {error ? (
          <p className="form-error" role="alert" data-testid="chat-error">
            {error}
          </p>
        ) : null}
        {others.length ? (
          <label className="chat-to">
            To
            <select value={target} onChange={(e) => setTo(e.target.value)} data-testid="chat-to">
              <option value="">Everyone</option>
              {others.map((p) => (
                <option key={p.id} value={p.id}>
                  {p.name} (private)
                </option>
              ))}
            </select>
          </label>
        ) : null}
        <div className="chat-line">
          <textarea
            ref={input}
            className="input"
            rows={1}
            value={draft}
            maxLength={4000}
            placeholder="Write a message"
            aria-label="Message"
            onChange={(e) => onDraft(e.target.value)}
            onKeyDown={(e) => {
              if (e.key === 'Escape') onClose();
              if (e.key !== 'Enter' || e.shiftKey || e.nativeEvent.isComposing) return;
              e.preventDefault();
              void send();
            }}
            data-testid="chat-input"
          />
          <button type="submit" className="button primary" aria-label="Send" disabled={!draft.trim()} data-testid="chat-send">
            <SendIcon size={20} />
          </button>
        </div>
      </form>
    </aside>
  );
}

/** The same person within three minutes: no need to repeat the name. */
function follows(before: ChatMessage | undefined, now: ChatMessage): boolean {
  return before?.from === now.from && before.to === now.to && now.time - before.time < 180_000;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function Message({ message, mine, follows, toName }: { message: ChatMessage; mine: boolean; follows: boolean; toName: string | null }) {
  return (
    <li className={`chat-item ${mine ? 'mine' : ''} ${follows ? 'follow' : ''}`} data-testid="chat-message" data-from={message.name}>
      {follows ? null : (
        <span className="who">
          {mine ? 'You' : message.name}
          <time dateTime={new Date(message.time).toISOString()}>{clock.format(message.time)}</time>
          {toName ? <span className="private">{mine ? `privately to ${toName}` : 'privately to you'}</span> : null}
        </span>
      )}
      <p>{message.text}</p>
    </li>
  );
}
