// The bar at the bottom. On a phone what does not fit is in a menu.
// SPDX-License-Identifier: Apache-2.0
import type { LocalMedia, Room } from '@conclave/sdk';
import { useState, type ReactNode } from 'react';
import { Dialog } from '../ui/bits';
import {
  CameraIcon,
  CameraOffIcon,
  ChatIcon,
  GridIcon,
  HandIcon,
  KeyboardIcon,
  LeaveIcon,
  MicIcon,
  MicOffIcon,
  MoreIcon,
  PeopleIcon,
  ScreenIcon,
  SettingsIcon,
  SpeakerViewIcon,
} from '../ui/icons';

export type Command = 'microphone' | 'camera' | 'screen' | 'chat' | 'people' | 'hand' | 'view' | 'settings' | 'shortcuts' | 'close' | 'leave';

interface ControlsProps {
  room: Room;
  media: LocalMedia;
  panel: 'chat' | 'people' | null;
  mode: 'grid' | 'speaker';
  unread: number;
  run: (command: Command) => void;
}

interface Item {
  command: Command;
  label: string;
  icon: ReactNode;
  /** Letter of the shortcut. */
  letter?: string;
  look?: 'off' | 'active' | 'raised' | undefined;
  pressed?: boolean;
  expanded?: boolean;
  badge?: number;
}

const canShare = typeof navigator !== 'undefined' && typeof navigator.mediaDevices?.getDisplayMedia === 'function';

export function Controls({ room, media, panel, mode, unread, run }: ControlsProps) {
  const [menu, setMenu] = useState(false);
  const micOn = !media.get('microphone').muted;
  const camOn = !media.get('camera').muted;
  const sharing = media.get('screen').active;
  const hand = room.self?.hand ?? false;
  const onOff = (on: boolean) => (on ? 'off' : 'on');

  const items: Record<string, Item> = {
    microphone: { command: 'microphone', letter: 'M', label: `Turn microphone ${onOff(micOn)}`, icon: micOn ? <MicIcon /> : <MicOffIcon />, look: micOn ? undefined : 'off' },
    camera: { command: 'camera', letter: 'V', label: `Turn camera ${onOff(camOn)}`, icon: camOn ? <CameraIcon /> : <CameraOffIcon />, look: camOn ? undefined : 'off' },
    screen: { command: 'screen', letter: 'S', label: sharing ? 'Stop sharing' : 'Share screen', icon: <ScreenIcon />, look: sharing ? 'active' : undefined },
    hand: { command: 'hand', letter: 'H', label: hand ? 'Lower hand' : 'Raise hand', icon: <HandIcon />, look: hand ? 'raised' : undefined },
    chat: { command: 'chat', letter: 'C', label: 'Chat', icon: <ChatIcon />, look: panel === 'chat' ? 'active' : undefined, expanded: panel === 'chat', badge: unread },
    people: { command: 'people', letter: 'P', label: 'People', icon: <PeopleIcon />, look: panel === 'people' ? 'active' : undefined, expanded: panel === 'people' },
    view: { command: 'view', letter: 'G', label: mode === 'grid' ? 'Speaker view' : 'Grid view', icon: mode === 'grid' ? <SpeakerViewIcon /> : <GridIcon /> },
    settings: { command: 'settings', label: 'Settings', icon: <SettingsIcon /> },
    shortcuts: { command: 'shortcuts', letter: '?', label: 'Keyboard shortcuts', icon: <KeyboardIcon /> },
  };
  const on = { microphone: micOn, camera: camOn, screen: sharing, hand } as Record<string, boolean>;
  const button = (key: string, className = '') => {
    const item = items[key]!;
    return <ControlButton key={key} item={item} className={className} on={on[key]} onClick={() => run(item.command)} />;
  };

  return (
    <nav className="bar" aria-label="Controls" data-testid="controls">
      {button('microphone')}
      {button('camera')}
      {canShare ? button('screen', 'wide-only') : null}
      {button('hand', 'wide-only')}
      <span className="gap" />
      {button('chat')}
      {button('people', 'wide-only')}
      {button('view', 'wide-only')}
      {button('settings', 'wide-only')}
      {button('shortcuts', 'wide-only')}
      <button type="button" className="control narrow-only" aria-label="More" aria-haspopup="dialog" onClick={() => setMenu(true)} data-testid="control-more">
        <MoreIcon />
      </button>
      <span className="gap" />
      <button type="button" className="control leave" aria-label="Leave" onClick={() => run('leave')} data-testid="control-leave">
        <LeaveIcon size={27} />
        <span className="tip" aria-hidden="true">
          Leave
        </span>
      </button>
      {menu ? (
        <Dialog title="More" onClose={() => setMenu(false)}>
          <div className="menu">
            {['people', 'hand', 'view', ...(canShare ? ['screen'] : []), 'settings'].map((key) => (
              <button
                key={key}
                type="button"
                className="button quiet block"
                data-testid={`menu-${key}`}
                onClick={() => {
                  setMenu(false);
                  run(items[key]!.command);
                }}
              >
                {items[key]!.icon} {items[key]!.label}
              </button>
            ))}
          </div>
        </Dialog>
      ) : null}
    </nav>
  );
}

function ControlButton({ item, className, on, onClick }: { item: Item; className: string; on: boolean | undefined; onClick: () => void }) {
  const { label, letter, icon, look, expanded, badge } = item;
  return (
    <button
      type="button"
      className={`control ${look ?? ''} ${className}`}
      aria-label={badge ? `${label}, ${badge} unread` : label}
      aria-expanded={expanded}
      aria-keyshortcuts={letter && letter !== '?' ? letter : undefined}
      onClick={onClick}
      data-testid={`control-${item.command}`}
      data-on={on}
    >
      {icon}
      {badge ? (
        <span className="badge" aria-hidden="true" data-testid="unread">
          {badge > 99 ? '99+' : badge}
        </span>
      ) : null}
      <span className="tip" aria-hidden="true">
        {label}
        {letter ? ` (${letter})` : ''}
      </span>
    </button>
  );
}
