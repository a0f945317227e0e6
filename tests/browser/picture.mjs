// Pictures that are small enough to be part of the repository: PNG with a palette of 256 colours.

import { deflateSync } from "node:zlib";

const COLOURS_MAX = 256;

// The picture of what a page shows. `page` is any page, in which the pixels are read.
export async function small(page, screenshot) {
  const url = `data:image/png;base64,${screenshot.toString("base64")}`;
  const { width, height, base64 } = await page.evaluate(async (from) => {
    const image = new Image();
    image.src = from;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let text = "";
    for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(data[at], data[at + 1], data[at + 2]);
    return { width: image.width, height: image.height, base64: btoa(text) };
  }, url);
  return encoded(width, height, Buffer.from(base64, "base64"));
}

function encoded(width, height, rgb) {
  const counts = new Map();
  const colour = (pixel) => rgb.readUIntBE(3 * pixel, 3);
  for (let pixel = 0; pixel < width * height; pixel += 1) counts.set(colour(pixel), (counts.get(colour(pixel)) ?? 0) + 1);
  const palette = [...counts].sort((one, other) => other[1] - one[1]).slice(0, COLOURS_MAX).map(([one]) => one);
  const parts = (one) => [one >> 16, (one >> 8) & 255, one & 255];
  const distance = (one, other) => parts(one).reduce((sum, part, at) => sum + (part - parts(other)[at]) ** 2, 0);
  const nearest = (one) => palette.reduce((best, other, at) => distance(one, other) < distance(one, palette[best]) ? at : best, 0);
  const places = new Map([...counts.keys()].map((one) => [one, palette.indexOf(one) < 0 ? nearest(one) : palette.indexOf(one)]));
  // Each line begins with the number of its filter: none.
  const lines = Buffer.alloc((width + 1) * height);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    lines[Math.floor(pixel / width) * (width + 1) + 1 + (pixel % width)] = places.get(colour(pixel));
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head),
    chunk("PLTE", Buffer.from(palette.flatMap(parts))), chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(name, data) {
  const named = Buffer.concat([Buffer.from(name), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc(named));
  return Buffer.concat([length, named, sum]);
}

function crc(bytes) {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ -1) >>> 0;
}
