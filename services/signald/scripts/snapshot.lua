-- snapshot: the whole room, and another day of life for it.
if redis.call('HEXISTS', state, 'creator') == 1 then
  redis.call('EXPIRE', state, LIFE)
  redis.call('EXPIRE', chat, LIFE)
end
return '{"ok":true,' .. snapshot() .. '}'
